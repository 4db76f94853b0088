//! The Rust SDK at gateways that do not admit it: what was wrong, and what to do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use fastway_client::{
    Backoff, Client, ClientConfig, ConnectError, ConnectStep, DialError, GatewayPort, LinkEnd, Server, ServerConfig,
    ServerId,
};
use fastway_testkit::{Gateway, KEY};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SERVER: ServerId = ServerId::new(7);

async fn client(addr: SocketAddr) -> Result<Client, ConnectError> {
    Client::connect(addr, ClientConfig::default()).await
}

async fn server(addr: SocketAddr, key: &str) -> Result<Server, ConnectError> {
    Server::connect(addr, key, SERVER, ServerConfig::default()).await
}

/// With a time-out that a test can wait for.
async fn hasty_client(addr: SocketAddr) -> Result<Client, ConnectError> {
    let mut config = ClientConfig::default();
    config.link.connect_timeout = Duration::from_millis(500);
    Client::connect(addr, config).await
}

async fn hasty_server(addr: SocketAddr) -> Result<Server, ConnectError> {
    let mut config = ServerConfig::default();
    config.link.connect_timeout = Duration::from_millis(500);
    Server::connect(addr, KEY, SERVER, config).await
}

/// A program that says `first` to whoever comes, and `answer` to whoever says something; it ends with the tests.
fn another_program(first: &'static [u8], answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.write_all(first).unwrap();
            if stream.read(&mut [0; 100]).is_ok_and(|count| count > 0) {
                // Who finds that this is no gateway does not wait for all of it.
                let _ = stream.write_all(answer);
            }
        }
    });
    addr
}

const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_server_at_the_client_port_is_told_to_take_the_other_one() {
    let gateway = Gateway::start(&[]);
    let error = hasty_server(gateway.client_addr()).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { step: ConnectStep::Challenge, .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "no link after 500ms: what listens there sent no challenge; is it the gateway's server port, and not its client port or one for sessions (its --server-link)?"
    );
}

#[tokio::test]
async fn a_client_at_the_server_port_is_told_to_take_the_other_one() {
    let gateway = Gateway::start(&[]);
    let error = client(gateway.server_addr()).await.unwrap_err();
    // One challenge in 8,192 looks like the beginning of a message; then the gateway ends the wait.
    let told = matches!(
        error,
        ConnectError::NotAGateway { port: GatewayPort::Client, .. }
            | ConnectError::TurnedAway { port: GatewayPort::Client, .. }
    );
    assert!(told && error.to_string().contains("client port"), "{error}");
}

#[tokio::test]
async fn a_plain_server_at_a_port_for_sessions_is_told_to_ask_for_one() {
    let gateway = Gateway::start(&["--server-link", "secure"]);
    let error = server(gateway.server_addr(), KEY).await.unwrap_err();
    assert!(matches!(error, ConnectError::SessionNeeded { port: GatewayPort::Server }), "{error}");
    assert!(error.to_string().contains("(its --server-link)"), "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_named() {
    let gateway = Gateway::start(&[]);
    let error = server(gateway.server_addr(), "wrong").await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongKey { server: SERVER }), "{error}");
    assert!(error.to_string().contains("give both the same key"), "{error}");
}

#[tokio::test]
async fn a_client_at_another_program_learns_that_it_is_no_gateway() {
    let error = client(another_program(b"", HTTP)).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotAGateway { port: GatewayPort::Client, .. }), "{error}");
    assert!(error.to_string().starts_with("what listens there is not a gateway's client port; "), "{error}");
    let error = hasty_client(another_program(b"", b"")).await.unwrap_err();
    assert!(matches!(error, ConnectError::TurnedAway { port: GatewayPort::Client, .. }), "{error}");
    assert!(error.to_string().contains("this is not its client port"), "{error}");
}

#[tokio::test]
async fn a_server_at_another_program_learns_that_it_is_no_gateway() {
    let error = hasty_server(another_program(b"", HTTP)).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { step: ConnectStep::Challenge, .. }), "{error}");
    // Its first eight bytes are taken for a challenge.
    let error = server(another_program(b"SSH-2.0-OpenSSH_9.9\r\n", b""), KEY).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotAGateway { port: GatewayPort::Server, .. }), "{error}");
}

#[tokio::test]
async fn who_never_says_a_word_is_given_up_with_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let error = hasty_client(addr).await.unwrap_err();
    let step = ConnectStep::Ping(GatewayPort::Client);
    assert!(matches!(error, ConnectError::TimedOut { step: at, .. } if at == step), "{error}");
    assert_eq!(
        error.to_string(),
        "no link after 500ms: what listens there answered no ping; is it a gateway's client port?"
    );
}

#[tokio::test]
async fn a_client_at_a_full_gateway_is_pointed_to_its_limit() {
    let gateway = Gateway::start(&["--max-links", "1"]);
    let first = client(gateway.client_addr()).await.unwrap();
    let error = client(gateway.client_addr()).await.unwrap_err();
    assert!(matches!(error, ConnectError::TurnedAway { port: GatewayPort::Client, .. }), "{error}");
    assert!(error.to_string().contains("it is at its limit of links (its log says so)"), "{error}");
    first.close().await;
    let let_in = async {
        let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(50));
        while client(gateway.client_addr()).await.is_err() {
            backoff.wait().await;
        }
    };
    timeout(Duration::from_secs(30), let_in).await.unwrap();
}

#[tokio::test]
async fn a_server_at_a_gateway_with_too_many_handshakes_is_pointed_to_its_log() {
    let gateway = Gateway::start(&["--max-handshakes", "1"]);
    let stream = TcpStream::connect(gateway.server_addr()).await.unwrap();
    stream.readable().await.unwrap();
    let newer = gateway.half_open_server();
    // The gateway has dropped the older one when the newer one has its challenge.
    newer.peek(&mut [0]).unwrap();
    let error = Server::over(stream, KEY, SERVER, ServerConfig::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongKey { .. } | ConnectError::TurnedAway { .. }), "{error}");
    assert!(error.to_string().contains("its log says"), "{error}");
}

#[tokio::test]
async fn a_client_at_its_limit_of_connections_is_told_by_the_refusal() {
    let gateway = Gateway::start(&["-ClientMaxConn=1"]);
    let _server = server(gateway.server_addr(), KEY).await.unwrap();
    let client = client(gateway.client_addr()).await.unwrap();
    let _open = client.dial(SERVER).await.unwrap();
    let error = client.dial(SERVER).await.unwrap_err();
    assert!(matches!(error, DialError::Refused { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the gateway refused the dial: server 7 is not there, or a limit of connections is reached"
    );
}

#[tokio::test]
async fn a_link_over_a_stream_that_is_no_gateways_says_so_at_the_first_dial() {
    let stream = TcpStream::connect(another_program(b"", HTTP)).await.unwrap();
    let client = Client::over(stream, ClientConfig::default()).unwrap();
    let error = client.dial(SERVER).await.unwrap_err();
    assert!(matches!(error, DialError::LinkClosed(LinkEnd::Protocol(_))), "{error}");
}

#[tokio::test]
async fn a_name_with_an_address_where_nobody_listens_is_tried_further() {
    // `localhost` is ::1 first on most machines, and the gateway listens at 127.0.0.1 alone.
    let gateway = Gateway::start(&[]);
    let addr = format!("localhost:{}", gateway.client_addr().port());
    Client::connect(addr, ClientConfig::default()).await.unwrap().close().await;
}

#[tokio::test]
async fn a_ping_interval_of_zero_is_refused_by_name() {
    let mut config = ClientConfig::default();
    config.link.ping_interval = Some(Duration::ZERO);
    let error = Client::connect("127.0.0.1:1", config).await.unwrap_err();
    assert_eq!(error.to_string(), "the setting ping_interval is 0ns; it has to be at least 1ms");
}
