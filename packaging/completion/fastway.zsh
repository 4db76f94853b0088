#compdef fastway
# Completes the command line of fastway in zsh. Made by `fastway completion zsh`; do not edit.
_fastway() {
    if ((CURRENT > 2)); then
        case $words[2] in
        ctl)
            shift words
            ((CURRENT--))
            _arguments \
                '--help[display usage information]' \
                '--name=[the gateway'\''s --name (default fastway)]:NAME: ' \
                '--dir=[the gateway'\''s working directory (default: this one)]:DIR:_directories' \
                '--pid-file=[the gateway'\''s --pid-file (default NAME.pid)]:FILE:_files' \
                '--pid=[the gateway'\''s process, where several share a name]:PID: ' \
                '--timeout=[how long to wait for the answer (default 30s)]:TIME: ' \
                '*:command: '
            return
            ;;
        keygen)
            shift words
            ((CURRENT--))
            _arguments \
                '--public[show the public key of a file that exists]' \
                '1:file:_files'
            return
            ;;
        check)
            shift words
            ((CURRENT--))
            return
            ;;
        init)
            shift words
            ((CURRENT--))
            _arguments \
                '--public[show the public key of a file that exists]' \
                '1:file:_files'
            return
            ;;
        schema)
            shift words
            ((CURRENT--))
            return
            ;;
        completion)
            shift words
            ((CURRENT--))
            _arguments \
                '1:word:(bash zsh fish)'
            return
            ;;
        man)
            shift words
            ((CURRENT--))
            return
            ;;
        esac
    fi
    _arguments \
        '1::command:((ctl\:"asks a running gateway" keygen\:"makes or shows the key for secure sessions" check\:"shows every value and its origin, or every fault" init\:"writes a configuration file with all defaults" schema\:"prints the JSON Schema of the configuration file" completion\:"prints a completion file for a shell" man\:"prints the manual page"))' \
        '--workers=[threads that carry links, 1 to 256 (default 1)]:N: ' \
        '--reuse-port[share both ports (SO_REUSEPORT) with other gateway processes]' \
        '--proxy-trusted=[networks whose PROXY headers are believed, a,b (default empty)]:NETWORKS: ' \
        '--max-packet=[longest message, counted from its ConnID on (default 512K)]:SIZE: ' \
        '--mem-pool-type=[how workers share free buffers: sync, atom, chan (default atom)]:TYPE:(sync atom chan)' \
        '--mem-pool-factor=[ratio of a buffer size to the one below (default 2)]:N: ' \
        '--mem-pool-min-chunk=[smallest pooled buffer (default 64)]:SIZE: ' \
        '--mem-pool-max-chunk=[largest pooled buffer (default 64K)]:SIZE: ' \
        '--mem-pool-page-size=[memory the pool keeps for each buffer size (default 1M)]:SIZE: ' \
        '--client-addr=[where clients connect; may be repeated (default :0)]:ADDR: ' \
        '--client-proxy-protocol=[PROXY headers: off, optional, required (default off)]:MODE: ' \
        '--client-max-conn=[connections a client may have open; 0: no limit (default 16)]:N: ' \
        '--client-buffer-size=[first buffer for a message that arrived in part (default 2K)]:SIZE: ' \
        '--client-send-chan-size=[packets that may wait for a client (default 1000)]:N: ' \
        '--client-send-bytes=[bytes that may wait, 16 times as much for a while (default 8M)]:SIZE: ' \
        '--client-slow-grace=[how long more may wait before a client is closed (default 5s)]:TIME: ' \
        '--client-idle-timeout=[close a client silent for this long; 0: never (default 30s)]:TIME: ' \
        '--server-addr=[where servers connect; loopback without key; repeats (default :0)]:ADDR: ' \
        '--server-proxy-protocol=[PROXY headers: off, required (default off)]:MODE: ' \
        '--server-auth-key=[what servers must know; a flag shows it in ps (default empty)]:KEY: ' \
        '--server-auth-key-file=[file with the key; given again, a further key is valid as well]:FILE:_files' \
        '--allow-anonymous-servers[open the server port to the network without a key]' \
        '--server-buffer-size=[first buffer for a message that arrived in part (default 64K)]:SIZE: ' \
        '--server-send-chan-size=[packets that may wait; then its clients wait (default 100000)]:N: ' \
        '--server-send-bytes=[bytes that may wait; then its clients wait (default 16M)]:SIZE: ' \
        '--server-idle-timeout=[close a server silent for this long; 0: never (default 30s)]:TIME: ' \
        '--max-handshakes=[handshakes at a time on each port, at least 1 (default 1024)]:N: ' \
        '--max-accepts-per-second=[connections accepted from clients; further ones wait (default 0)]:N: ' \
        '--max-links=[client links; auto leaves descriptors for others (default auto)]:N:(auto)' \
        '--max-links-per-address=[client links from one IP address (default 0)]:N: ' \
        '--ipv6-prefix-length=[bits of an IPv6 address that count as one, 32 to 128 (default 64)]:N: ' \
        '--max-dials-per-second=[dials by one client; further ones are refused (default 0)]:N: ' \
        '--max-bytes-per-second=[bytes read from one client; then it is read slower (default 0)]:SIZE: ' \
        '--max-buffered-bytes=[memory held for all links; auto: a quarter (default auto)]:SIZE: ' \
        '--client-link=[what clients may use (default plain)]:LIST:(plain secure secure-nk legacy)' \
        '--server-link=[what servers may use: plain alone, or sessions (default plain)]:LIST:(plain secure secure-nk legacy)' \
        '--session-key=[file with the private key, from fastway keygen; may be repeated]:FILE:_files' \
        '--max-waiting=[sessions that may wait; then the oldest one ends (default 100000)]:N: ' \
        '--max-waiting-bytes=[bytes that may wait for all of these (default 256M)]:SIZE: ' \
        '--max-waiting-per-address=[sessions of one address that may wait (default 10000)]:N: ' \
        '--max-waiting-bytes-per-address=[bytes that may wait for these (default 64M)]:SIZE: ' \
        '--max-handshakes-per-address=[handshakes in progress from one address (default 256)]:N: ' \
        '--max-handshakes-per-second=[handshakes computed in a second; 0: no limit (default 0)]:N: ' \
        '--client-snet-enable[secure and legacy sessions for clients, no plain links]' \
        '--client-snet-encrypt[encrypt the legacy sessions of clients]' \
        '--client-snet-buffer=[bytes a legacy session can send again (default 64K)]:SIZE: ' \
        '--client-snet-init-timeout=[time for the handshake; 0: no limit (default 10s)]:TIME: ' \
        '--client-snet-wait-timeout=[time to come back (default 60s)]:TIME: ' \
        '--server-snet-enable[secure and legacy sessions for servers, no plain links]' \
        '--server-snet-encrypt[encrypt the legacy sessions of servers]' \
        '--server-snet-buffer=[bytes a legacy session can send again (default 64K)]:SIZE: ' \
        '--server-snet-init-timeout=[time for the handshake; 0: no limit (default 10s)]:TIME: ' \
        '--server-snet-wait-timeout=[time to come back (default 60s)]:TIME: ' \
        '--admin-addr=[where HTTP is answered; loopback without a token (default off)]:ADDR: ' \
        '--admin-token=[what requests must know; a flag shows it in ps (default empty)]:TOKEN: ' \
        '--admin-token-file=[file with the token; line ends at its end do not count]:FILE:_files' \
        '--admin-host=[host names, a,b, for requests without a token (default empty)]:NAMES: ' \
        '--admin-ready-needs-server[not ready while no game server is registered]' \
        '--help[display usage information]' \
        '--config=[file with values for all of these; flags win over it]:FILE:_files' \
        '--name=[first part of NAME.pid, NAME.cmd and the like (default fastway)]:NAME: ' \
        '--pid-file=[where the process id is written; none: nowhere (default NAME.pid)]:FILE:_files' \
        '--log-level=[error, warn, info, debug, trace; or see RUST_LOG (default info)]:LEVEL:(error warn info debug trace)' \
        '--log-format=[how log lines look: text, json (default text)]:FORMAT:(text json)' \
        '--drain-delay=[how long newcomers are let in when a drain begins (default 0)]:TIME: ' \
        '--drain-timeout=[how long clients may stay after that (default 0)]:TIME: ' \
        '--drain-spread=[time over which the ends of those who stay are spread (default 0)]:TIME: ' \
        '--shutdown-grace=[time to send what waits before an end (default 3s)]:TIME: ' \
        '--version[print the version]'
}

_fastway "$@"
