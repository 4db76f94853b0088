# Completes the command line of fastway in bash. Made by `fastway completion bash`; do not edit.
_fastway() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    # Where = breaks words, it is one of them.
    if [[ $word == = ]]; then
        word=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $previous in
    --workers) return ;;
    --proxy-trusted) return ;;
    --max-packet) return ;;
    --mem-pool-type) mapfile -t COMPREPLY < <(compgen -W 'sync atom chan' -- "$word"); return ;;
    --mem-pool-factor) return ;;
    --mem-pool-min-chunk) return ;;
    --mem-pool-max-chunk) return ;;
    --mem-pool-page-size) return ;;
    --client-addr) return ;;
    --client-proxy-protocol) return ;;
    --client-max-conn) return ;;
    --client-buffer-size) return ;;
    --client-send-chan-size) return ;;
    --client-send-bytes) return ;;
    --client-slow-grace) return ;;
    --client-idle-timeout) return ;;
    --server-addr) return ;;
    --server-proxy-protocol) return ;;
    --server-auth-key) return ;;
    --server-auth-key-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --server-buffer-size) return ;;
    --server-send-chan-size) return ;;
    --server-send-bytes) return ;;
    --server-idle-timeout) return ;;
    --max-handshakes) return ;;
    --max-accepts-per-second) return ;;
    --max-links) mapfile -t COMPREPLY < <(compgen -W 'auto' -- "$word"); return ;;
    --max-links-per-address) return ;;
    --ipv6-prefix-length) return ;;
    --max-dials-per-second) return ;;
    --max-bytes-per-second) return ;;
    --max-buffered-bytes) return ;;
    --client-link) mapfile -t COMPREPLY < <(compgen -W 'plain secure secure-nk legacy' -- "$word"); return ;;
    --server-link) mapfile -t COMPREPLY < <(compgen -W 'plain secure secure-nk legacy' -- "$word"); return ;;
    --session-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --max-waiting) return ;;
    --max-waiting-bytes) return ;;
    --max-waiting-per-address) return ;;
    --max-waiting-bytes-per-address) return ;;
    --max-handshakes-per-address) return ;;
    --max-handshakes-per-second) return ;;
    --client-snet-buffer) return ;;
    --client-snet-init-timeout) return ;;
    --client-snet-wait-timeout) return ;;
    --server-snet-buffer) return ;;
    --server-snet-init-timeout) return ;;
    --server-snet-wait-timeout) return ;;
    --admin-addr) return ;;
    --admin-token) return ;;
    --admin-token-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --admin-host) return ;;
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --name) return ;;
    --pid-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W 'error warn info debug trace' -- "$word"); return ;;
    --log-format) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$word"); return ;;
    --drain-delay) return ;;
    --drain-timeout) return ;;
    --drain-spread) return ;;
    --shutdown-grace) return ;;
    --dir) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    --pid) return ;;
    --timeout) return ;;
    esac
    case $((COMP_CWORD > 1)):${COMP_WORDS[1]} in
    1:ctl)
        words='--help --name --dir --pid-file --pid --timeout'
        ;;
    1:keygen)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        words='--public'
        ;;
    1:check)
        words=''
        ;;
    1:init)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        words='--public'
        ;;
    1:schema)
        words=''
        ;;
    1:completion)
        words='bash zsh fish'
        ;;
    1:man)
        words=''
        ;;
    0:*) words='ctl keygen check init schema completion man --workers --reuse-port --proxy-trusted --max-packet --mem-pool-type --mem-pool-factor --mem-pool-min-chunk --mem-pool-max-chunk --mem-pool-page-size --client-addr --client-proxy-protocol --client-max-conn --client-buffer-size --client-send-chan-size --client-send-bytes --client-slow-grace --client-idle-timeout --server-addr --server-proxy-protocol --server-auth-key --server-auth-key-file --allow-anonymous-servers --server-buffer-size --server-send-chan-size --server-send-bytes --server-idle-timeout --max-handshakes --max-accepts-per-second --max-links --max-links-per-address --ipv6-prefix-length --max-dials-per-second --max-bytes-per-second --max-buffered-bytes --client-link --server-link --session-key --max-waiting --max-waiting-bytes --max-waiting-per-address --max-waiting-bytes-per-address --max-handshakes-per-address --max-handshakes-per-second --client-snet-enable --client-snet-encrypt --client-snet-buffer --client-snet-init-timeout --client-snet-wait-timeout --server-snet-enable --server-snet-encrypt --server-snet-buffer --server-snet-init-timeout --server-snet-wait-timeout --admin-addr --admin-token --admin-token-file --admin-host --admin-ready-needs-server --help --config --name --pid-file --log-level --log-format --drain-delay --drain-timeout --drain-spread --shutdown-grace --version' ;;
    *) words='--workers --reuse-port --proxy-trusted --max-packet --mem-pool-type --mem-pool-factor --mem-pool-min-chunk --mem-pool-max-chunk --mem-pool-page-size --client-addr --client-proxy-protocol --client-max-conn --client-buffer-size --client-send-chan-size --client-send-bytes --client-slow-grace --client-idle-timeout --server-addr --server-proxy-protocol --server-auth-key --server-auth-key-file --allow-anonymous-servers --server-buffer-size --server-send-chan-size --server-send-bytes --server-idle-timeout --max-handshakes --max-accepts-per-second --max-links --max-links-per-address --ipv6-prefix-length --max-dials-per-second --max-bytes-per-second --max-buffered-bytes --client-link --server-link --session-key --max-waiting --max-waiting-bytes --max-waiting-per-address --max-waiting-bytes-per-address --max-handshakes-per-address --max-handshakes-per-second --client-snet-enable --client-snet-encrypt --client-snet-buffer --client-snet-init-timeout --client-snet-wait-timeout --server-snet-enable --server-snet-encrypt --server-snet-buffer --server-snet-init-timeout --server-snet-wait-timeout --admin-addr --admin-token --admin-token-file --admin-host --admin-ready-needs-server --help --config --name --pid-file --log-level --log-format --drain-delay --drain-timeout --drain-spread --shutdown-grace --version' ;;
    esac
    local found
    mapfile -t found < <(compgen -W "$words" -- "$word")
    COMPREPLY+=("${found[@]}")
}
complete -o filenames -F _fastway fastway
