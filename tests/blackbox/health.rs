//! `/live` and `/ready` while a worker is stuck.

use fastway_testkit::{Gateway, watch};
use serde_json::Value;

fn body(gateway: &Gateway, path: &str) -> (u16, Value) {
    let answer = gateway.get(path);
    (answer.status, serde_json::from_str(answer.text()).unwrap())
}

#[test]
fn a_worker_that_is_stuck_makes_the_gateway_unready_until_it_goes_on() {
    for worker in [0, 1] {
        let gateway = Gateway::with_admin(&["--workers=2"]);
        assert_eq!((gateway.get("/live").status, gateway.get("/ready").status), (200, 200));

        let stopped = gateway.stop_thread(&format!("worker-{worker}"));
        watch::eventually("the gateway is unready", || gateway.get("/ready").status == 503);
        let (status, unready) = body(&gateway, "/ready");
        assert_eq!((status, &unready["status"]), (503, &"worker_stuck".into()));
        assert_eq!(unready["worker"], worker);
        assert!(unready["silent_ms"].as_u64().unwrap() >= 3_000, "{unready}");

        drop(stopped);
        watch::eventually("the gateway is ready", || gateway.get("/ready").status == 200);
        assert_eq!(gateway.get("/live").status, 200);
        gateway.still_serves();
    }
}
