//! A gateway in this process, as a program embeds it.

use std::net::SocketAddr;

use fastway::config::{Config, Secret, Settings, Side};
use fastway::gateway::{Gateway, Running};
use fastway::observer::{LinkInfo, Observer, PerSide};
use fastway_testkit::{Client, KEY, Server};
use tokio::runtime::Builder;

/// A gateway in this process.
pub(crate) struct Embedded {
    pub(crate) running: Running,
    pub(crate) observer: Observer,
    pub(crate) client_addr: SocketAddr,
    pub(crate) server_addr: SocketAddr,
}

/// The settings of an embedded gateway.
pub(crate) fn settings() -> Settings {
    let mut settings =
        Settings { server_auth_keys: vec![Secret::new(KEY)], client_max_conns: None, ..Settings::default() };
    settings.server.send_queue_packets = 10;
    settings
}

impl Embedded {
    pub(crate) fn start(workers: usize) -> Self {
        let mut config = Config { settings: settings(), ..Config::default() };
        config.startup.workers = workers;
        config.listen = PerSide::new(|_| vec!["127.0.0.1:0".to_owned()]);
        let gateway = Gateway::bind(config).unwrap();
        let addr = |side| gateway.addrs(side).next().unwrap();
        let (client_addr, server_addr) = (addr(Side::Client), addr(Side::Server));
        let running = gateway.start().unwrap();
        Self { observer: running.observer(), running, client_addr, server_addr }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.client_addr)
    }

    pub(crate) fn server(&self, id: u32) -> Server {
        Server::register(self.server_addr, KEY, id)
    }

    pub(crate) fn links(&self, filter: &str) -> Vec<LinkInfo> {
        self.observer.links(&filter.parse().unwrap(), None, usize::MAX).unwrap().links
    }

    /// The one link that the filter takes.
    pub(crate) fn the_link(&self, filter: &str) -> LinkInfo {
        let mut links = self.links(filter);
        assert_eq!(links.len(), 1, "{filter}: {links:?}");
        links.remove(0)
    }

    pub(crate) fn stop(mut self) -> Observer {
        self.running.stop();
        Builder::new_current_thread().build().unwrap().block_on(self.running.ended()).unwrap();
        self.observer
    }
}
