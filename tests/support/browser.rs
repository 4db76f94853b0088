//! A browser without a screen, driven by the WebDriver protocol.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::process::Process;
use crate::watch;

/// The driver, which starts the browser and stops it.
const DRIVER: &str = "chromedriver";
/// A browser that shows nothing, asks nobody and stays as it was installed.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
];
/// The driver takes a port that is free for IPv6, and ends when it is taken for IPv4.
const DRIVER_STARTS: usize = 10;
/// What a page notes of itself from its start on: what its policy forbade, and what failed in it.
const NOTE_FAULTS: &str = "window.faults = [];
    addEventListener('securitypolicyviolation', (event) => faults.push(`${event.violatedDirective} ${event.blockedURI}`));
    addEventListener('error', (event) => faults.push(String(event.message)));
    addEventListener('unhandledrejection', (event) => faults.push(String(event.reason)));";

/// A browser with one page. All of its processes are ended when it is dropped.
pub struct Browser {
    driver: Process,
    addr: SocketAddr,
    session: String,
    /// Stands in the environment of all its processes.
    mark: String,
}

impl Browser {
    /// Starts a browser with an empty profile.
    ///
    /// # Panics
    /// When there is none. A test is not skipped for that: a page that nobody has opened may not work.
    pub fn start() -> Self {
        let found = Command::new(DRIVER).arg("--version").output();
        assert!(
            found.is_ok(),
            "`{DRIVER}` is needed to open the page: install Debian's packages `chromium` and `chromium-driver`"
        );
        let (driver, port) = (0..DRIVER_STARTS).find_map(|_| start_driver()).expect("the driver finds a port");
        // The place for temporary files is its own.
        let mark = format!("TMPDIR={}", driver.file("").display().to_string().trim_end_matches('/'));
        let profile = format!("--user-data-dir={}", driver.file("profile").display());
        let mut browser = Self { driver, addr: SocketAddr::from(([127, 0, 0, 1], port)), session: String::new(), mark };
        let args: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": args } } } });
        let session = browser.call("POST", "/session", &wanted);
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        browser.on_every_page(NOTE_FAULTS);
        browser
    }

    /// Opens an address.
    #[track_caller]
    pub fn open(&self, address: &str) {
        self.ask("/url", &json!({ "url": address }));
    }

    /// Runs the body of a function in the page; what it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression in the page is true; as long as it fails, it is not.
    #[track_caller]
    pub fn expect(&self, what: &str) {
        let script = format!("try {{ return Boolean({what}) }} catch {{ return false }}");
        if !watch::holds_within(watch::DEADLINE, || self.run(&script) == true) {
            panic!("not within {:?}: {what}; the page says:\n{}", watch::DEADLINE, self.text("body"));
        }
    }

    /// The text of an element as it is shown.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("return document.querySelector({selector:?}).innerText"));
        text.as_str().expect("an element has text").to_owned()
    }

    /// Types into an element; `\u{e007}` is the return key.
    #[track_caller]
    pub fn keys(&self, selector: &str, text: &str) {
        let element = self.ask("/element", &json!({ "using": "css selector", "value": selector }));
        let id = element.as_object().and_then(|element| element.values().next()?.as_str()).expect("an element");
        self.ask(&format!("/element/{id}/value"), &json!({ "text": text }));
    }

    /// Runs a script at the start of every page from now on, before those of the page.
    #[track_caller]
    pub fn on_every_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    /// A command of the browser's own protocol.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Gives the page a window of this size.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
        self.expect(&format!("innerWidth === {width}"));
    }

    /// Has the page believe that somebody prefers this colour scheme.
    #[track_caller]
    pub fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Keeps a picture of the window, for people who want to look at it.
    #[track_caller]
    pub fn screenshot(&self, path: &Path) {
        let shot = self.devtools("Page.captureScreenshot", &json!({}));
        let picture = decode_base64(shot["data"].as_str().expect("a picture"));
        assert!(picture.starts_with(b"\x89PNG"), "{} is no picture", path.display());
        fs::write(path, picture).expect("a picture can be written");
    }

    /// Expects that nothing in the page failed or was against its policy so far.
    #[track_caller]
    pub fn expect_no_faults(&self) {
        assert_eq!(self.run("return window.faults"), json!([]));
    }

    #[track_caller]
    fn ask(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), body)
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.request(method, path, body);
        let mut said: Value = serde_json::from_slice(&answer.body).expect("the driver answers in JSON");
        assert_eq!(answer.status, 200, "{method} {path} {body}: {said}\n{}", self.driver.log());
        said["value"].take()
    }

    #[track_caller]
    fn request(&self, method: &str, path: &str, body: &Value) -> Answer {
        let mut http = Http::connect(self.addr);
        http.send(&format!("{method} {path}"), &["Content-Type: application/json"], body.to_string().as_bytes());
        http.receive(false)
    }

    /// What of it still runs.
    fn processes(&self) -> Vec<Pid> {
        let all = fs::read_dir("/proc").expect("the system has /proc").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours = pids.filter(|pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == self.mark.as_bytes())
        });
        ours.filter_map(Pid::from_raw).collect()
    }
}

/// Starts a driver, if it finds a port.
fn start_driver() -> Option<(Process, u16)> {
    let mut command = Command::new(DRIVER);
    command.arg("--port=0");
    let driver = Process::start_program(command);
    let line =
        driver.wait_stdout(|line| line.contains("started successfully on port") || line.contains("not available"));
    let (_, port) = line.trim_end_matches('.').rsplit_once("started successfully on port ")?;
    Some((driver, port.parse().expect("the driver says its port")))
}

/// Decodes what the driver says in base 64, padding or not.
fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| ALPHABET.iter().position(|digit| *digit == byte));
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        (bits, count) = ((bits << 6 | digit) & 0xFFFF, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xFF) as u8);
        }
    }
    bytes
}

impl Drop for Browser {
    /// The driver ends the browser, if it can; what is left after that is killed.
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.request("DELETE", &self.session, &json!({}));
        }
        self.driver.kill();
        let ended = watch::holds_within(watch::DEADLINE, || {
            let left = self.processes();
            // It may be gone by now.
            left.iter().for_each(|pid| kill_process(*pid, Signal::KILL).unwrap_or_default());
            left.is_empty()
        });
        assert!(ended || std::thread::panicking(), "the browser is left: {:?}", self.processes());
    }
}
