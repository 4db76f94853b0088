//! Load balancers that stand in front of a gateway: Debian's HAProxy and nginx, with the configurations of the handbook.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::watch;

/// A load balancer on a free port of this machine; killed when dropped.
#[derive(Debug)]
pub struct FrontEnd {
    program: Child,
    addr: SocketAddr,
    _dir: TempDir,
}

impl FrontEnd {
    /// HAProxy with this configuration, in which `LISTEN` stands for the address of a `bind` line.
    ///
    /// # Panics
    /// HAProxy is not installed.
    pub fn haproxy(config: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::start("haproxy", listener, |listener, file| {
            fs::write(file, config.replace("LISTEN", "fd@0")).expect("a file can be written");
            let mut command = Command::new(program("haproxy", "haproxy"));
            command.arg("-db").arg("-f").arg(file).stdin(OwnedFd::from(listener));
            command
        })
    }

    /// nginx with this configuration of its stream module, in which `LISTEN` stands for the address of a `listen` line.
    ///
    /// # Panics
    /// nginx or its stream module is not installed.
    pub fn nginx(config: &str) -> Self {
        // It binds its socket itself, so it gets an address where nobody else listens meanwhile.
        let [.., third, fourth] = std::process::id().to_be_bytes();
        let listener = TcpListener::bind((Ipv4Addr::new(127, 1, third, fourth), 0)).expect("a free port");
        let front = Self::start("nginx", listener, |listener, file| {
            let program = program("nginx", "nginx libnginx-mod-stream");
            let addr = listener.local_addr().expect("a listener has an address");
            let preamble = format!(
                "daemon off; master_process off; pid {0}.pid; error_log stderr; load_module {1};\nevents {{}}\n",
                file.display(),
                stream_module(&program).display()
            );
            fs::write(file, preamble + &config.replace("LISTEN", &addr.to_string())).expect("a file can be written");
            let mut command = Command::new(program);
            command.arg("-c").arg(file).stdin(Stdio::null());
            command
        });
        watch::eventually("nginx listens", || TcpStream::connect(front.addr).is_ok());
        front
    }

    fn start(name: &str, listener: TcpListener, command: impl FnOnce(TcpListener, &Path) -> Command) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let addr = listener.local_addr().expect("a listener has an address");
        let mut command = command(listener, &dir.path().join("front.conf"));
        let program = command.stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { program, addr, _dir: dir }
    }

    /// Where players connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        let _it_may_have_ended = self.program.kill();
        let _status = self.program.wait();
    }
}

/// The program of this name, which may be where only root looks.
fn program(name: &str, packages: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} is missing; install it (Debian: apt-get install {packages}), or run ./test.sh, which fetches it")
    })
}

/// The stream module beside nginx, as Debian has it.
fn stream_module(nginx: &Path) -> PathBuf {
    let module = Path::new("lib/nginx/modules/ngx_stream_module.so");
    let found = nginx.ancestors().skip(2).map(|folder| folder.join(module)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "the stream module of {} is missing; install it (Debian: apt-get install libnginx-mod-stream)",
            nginx.display()
        )
    })
}
