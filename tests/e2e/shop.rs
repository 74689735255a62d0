//! What the shop's suite promises besides passing (`journeys`): exact schedules, refusals before any load, numbers that
//! agree with the shop's own, and errors that are told apart.

use crate::demo::Demo;
use crate::kit::{Project, Ran, root};

/// An address at which nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let address = listener.and_then(|listener| listener.local_addr());
    format!("http://{}", address.expect("loopback has a free port"))
}

fn script(name: &str) -> String {
    root().join(format!("scripts/shop/{name}.lua")).display().to_string()
}

/// `kingtide run scripts/shop/NAME.lua` with these arguments, always the same choices.
async fn run(project: &Project, name: &str, args: &[impl AsRef<str>]) -> Ran {
    let script = script(name);
    let mut all = vec![script.as_str(), "--seed", "1"];
    all.extend(args.iter().map(AsRef::as_ref));
    project.run(&all).await
}

/// These arguments, and those of a demo.
fn with(args: &[&str], demo: &Demo) -> Vec<String> {
    let args = args.iter().map(|arg| (*arg).to_owned());
    args.chain(demo.services()).collect()
}

#[tokio::test]
async fn constant_is_ten_a_second_for_three_minutes() {
    let project = Project::new();
    let main = script("main");
    let plan = project.call(&["check", &main, "--scenario", "constant"]).await;
    let told = "constant-arrival-rate: 10/s for 3m, 1800 iterations, up to 200 VUs";
    assert!(plan.stdout.contains(told), "{plan}");
    // 3.6 s of it, and what the command line and the environment say instead; all of it is started.
    let table: [(&[&str], u64); 3] = [
        (&["--time-scale", "0.02"], 36),
        (&["--rate", "25", "--duration", "2s"], 50),
        (&["-e", "TPS=20", "-e", "DURATION=2s", "-e", "SAGAS=0"], 40),
    ];
    for (args, iterations) in table {
        let args = [&["--demo", "--scenario", "constant"], args].concat();
        let ran = run(&project, "main", &args).await;
        ran.exits(0);
        assert_eq!(ran.counts("constant"), [iterations, iterations, iterations, 0, 0, 0]);
        assert!(ran.summary["scenarios"].get("smoke").is_none(), "{}", ran.summary);
        let operations = ["ops_orders", "ops_stock", "ops_customers"].map(|name| ran.count(name));
        assert_eq!(operations.iter().sum::<f64>(), iterations as f64);
    }
}

#[tokio::test]
async fn without_a_choice_all_three_run_one_after_the_other() {
    let project = Project::new();
    let args = ["--demo", "--time-scale", "0.02", "-e", "REPORT=out/baseline"];
    let ran = run(&project, "main", &args).await;
    ran.exits(0);
    assert_eq!(ran.counts("smoke"), [30, 30, 30, 0, 0, 0]);
    assert_eq!(ran.counts("constant"), [36, 36, 36, 0, 0, 0]);
    let ramp = ran.counts("ramp_up");
    assert!(ramp[2] > 100 && ramp[3..] == [0, 0, 0], "{ramp:?}");
    assert_eq!(ran.metric("vus", "max"), Some(100.0), "at the top of the ramp");
    // Every user of the ramp waits for the saga of each of its orders.
    assert!(
        ran.metric("saga_duration", "count") > Some(ramp[2] as f64 * 0.4),
        "{}",
        ran.ended
    );

    let page = std::fs::read_to_string(project.path("out/baseline.md")).expect("the report was written");
    for part in [
        "# Baseline of the shop",
        "| effective TPS |",
        "| PASS | ",
        "## Conclusion\n\nPASS",
    ] {
        assert!(page.contains(part), "`{part}` is not in\n{page}");
    }
    let row = std::fs::read_to_string(project.path("out/baseline.csv")).expect("the row was written");
    assert!(
        row.starts_with("script,started_at,verdict,iterations,HTTP requests,"),
        "{row}"
    );
}

#[tokio::test]
async fn an_unknown_scenario_is_refused_with_the_known_ones() {
    let ended = Project::new()
        .call(&["run", &script("main"), "--scenario", "soak"])
        .await;
    ended.says(104, &["--scenario soak", "it has `constant`, `ramp_up`, `smoke`"]);
}

#[tokio::test]
async fn a_shop_that_is_not_well_is_not_loaded() {
    let down = Demo::start(&["--fault", "down=inventory"]).await;
    let well = Demo::start(&[]).await;
    let nobody = nobody().await;
    let base = |url: &str| vec!["-e".to_owned(), format!("BASE_URL={url}")];
    let gateway = |url: &str| {
        let mut args = with(&[], &well);
        args.extend(["-e".to_owned(), format!("GATEWAY={url}")]);
        args
    };
    // where the shop is, parts of the reason
    let at = format!("(status 503 at {}/actuator/health)", down.url("INVENTORY_URL"));
    let all = "not healthy: account, inventory, order, payment (";
    let table = [
        (with(&[], &down), vec!["not healthy: inventory", &at]),
        (base(down.url("BASE_URL")), vec!["not healthy: inventory ("]),
        (base(&nobody), vec![all, &nobody, "kingtide demo"]),
        // The services are well, but all calls go through a gateway that is not there.
        (gateway(&nobody), vec![all, &nobody]),
    ];
    for name in ["main", "saga", "sustained"] {
        for (args, parts) in &table {
            let ran = run(&Project::new(), name, args).await;
            ran.exits(108);
            for part in parts {
                assert!(
                    ran.complaints().contains(part),
                    "{name}: `{part}`: {}",
                    ran.complaints()
                );
            }
            assert_eq!(ran.count("iterations"), 0.0);
            assert!(
                ran.count("http_reqs") <= 4.0,
                "only health was asked for: {}",
                ran.summary
            );
        }
    }
    let shop = well.operations().await;
    assert_eq!(shop, serde_json::json!({}), "nothing was loaded");
}

#[tokio::test]
async fn ids_of_another_shop_are_found_out_before_the_load() {
    let demo = Demo::start(&[]).await;
    let ids = |name: &str| std::fs::read_to_string(root().join("data").join(name)).expect("the data is there");
    // The first is known, the last is not.
    let stale = |name: &str| {
        let all: Vec<String> = serde_json::from_str(&ids(name)).expect("ids are a list");
        format!("[\"{}\", \"00000000-0000-8000-8000-000000000000\"]", all[0])
    };
    for (file, service) in [("customer-ids.json", "account"), ("product-ids.json", "inventory")] {
        let project = Project::new();
        for script in ["mixed", "sustained"] {
            let text = std::fs::read_to_string(self::script(script)).expect("the script is there");
            project.file(&format!("scripts/{script}.lua"), text);
        }
        for name in ["customer-ids.json", "product-ids.json"] {
            project.file(
                &format!("data/{name}"),
                if name == file { stale(name) } else { ids(name) },
            );
        }
        let mut args = vec!["scripts/sustained.lua".to_owned()];
        args.extend(demo.services());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = project.run(&args).await;
        ran.exits(108);
        let reason = ran.complaints();
        for part in [
            &format!("{file} is stale: the {service} service"),
            "(row 2 of 2)",
            "kingtide data shop",
        ] {
            assert!(reason.contains(part), "`{part}`: {reason}");
        }
        assert_eq!(ran.count("iterations"), 0.0);
    }
    let shop = demo.operations().await;
    assert!(shop.get("POST /api/orders").is_none(), "nothing was ordered: {shop}");
}

/// Everything through one address, though the services have their own.
#[tokio::test]
async fn a_gateway_is_used_for_everything() {
    let demo = Demo::start(&["--gateway"]).await;
    let nobody = nobody().await;
    let gateway = format!("GATEWAY={}/", demo.url("BASE_URL"));
    let mut args = vec!["-e", &gateway];
    let dead = ["ACCOUNT", "INVENTORY", "ORDER", "PAYMENT"].map(|name| format!("{name}_URL={nobody}"));
    dead.iter().for_each(|variable| args.extend(["-e", variable]));
    args.extend(["-e", "TPS=5", "-e", "DURATION=2s"]);
    let ran = run(&Project::new(), "create_orders", &args).await;
    ran.exits(0);
    assert_eq!(ran.counts("orders"), [10, 10, 10, 0, 0, 0]);
}

#[tokio::test]
async fn the_shop_has_measured_the_same_orders() {
    let demo = Demo::start(&[]).await;
    let args = with(&["--rate", "40", "--duration", "5s"], &demo);
    let ran = run(&Project::new(), "create_orders", &args).await;
    ran.exits(0);
    let orders = &demo.operations().await["POST /api/orders"];
    assert_eq!(orders["count"], 200);
    assert_eq!(ran.metric("order_create_duration", "count"), Some(200.0));
    let ours = ran.metric("order_create_duration", "p95").expect("it was measured");
    let theirs = orders["p95"].as_f64().expect("a number");
    // Within 5 %; what a busy machine adds on the way back is not the engine's.
    let way = 5.0;
    assert!(
        ours > theirs * 0.95 && ours < theirs * 1.05 + way,
        "{ours} ms, and the shop says {theirs} ms"
    );
}

#[tokio::test]
async fn sustained_has_checkpoints_that_add_up() {
    let demo = Demo::start(&[]).await;
    let args = with(&["-e", "TPS=40", "-e", "DURATION=4s", "-e", "CHECKPOINT=1s"], &demo);
    let ran = run(&Project::new(), "sustained", &args).await;
    ran.exits(0);
    assert_eq!(ran.counts("sustained"), [160, 160, 160, 0, 0, 0]);
    let checkpoints = ran.summary["checkpoints"].as_array().expect("there are checkpoints");
    assert_eq!(checkpoints.len(), 4, "{}", ran.ended);
    for (metric, field) in [
        ("ops_orders", "count"),
        ("ops_stock", "count"),
        ("ops_customers", "count"),
        ("order_create_duration", "count"),
        ("technical_errors", "total"),
        ("functional_errors", "total"),
    ] {
        let parts = checkpoints
            .iter()
            .map(|part| part["metrics"][metric][field].as_f64().unwrap_or(0.0));
        assert_eq!(Some(parts.sum()), ran.metric(metric, field), "{metric}");
    }
}

/// Without stock every reservation is refused, which is no error of the shop's: the run passes, and says how many there were.
#[tokio::test]
async fn sold_out_is_functional_and_nothing_technical() {
    let demo = Demo::start(&["--stock", "0"]).await;
    let args = with(&["-e", "TPS=50", "-e", "DURATION=10s"], &demo);
    let ran = run(&Project::new(), "sustained", &args).await;
    ran.exits(0);
    let stock = ran.count("ops_stock");
    assert_eq!(
        ran.metric("functional_errors", "passes"),
        Some(stock),
        "every one is sold out"
    );
    assert_eq!(
        ran.metric("functional_errors", "total"),
        Some(500.0),
        "of all operations"
    );
    // Of 500, three standard deviations are 29.
    assert!((stock - 125.0).abs() < 29.0, "{stock}");
    assert_eq!(ran.metric("technical_errors", "passes"), Some(0.0));
    assert_eq!(ran.metric("http_req_failed", "passes"), Some(0.0));
}

#[tokio::test]
async fn a_broken_shop_is_technical_and_fails() {
    let demo = Demo::start(&[]).await;
    demo.fault(r#"{ "fault": "errors", "value": 0.5, "operation": "POST /api/orders" }"#)
        .await;
    let args = with(&["-e", "TPS=50", "-e", "DURATION=4s"], &demo);
    let ran = run(&Project::new(), "sustained", &args).await;
    ran.exits(99);
    let share = ran.metric("technical_errors", "rate").expect("there were operations");
    // Half of 60 %; of 200, three standard deviations are 10 points.
    assert!((share - 0.3).abs() < 0.1, "{share}");
    assert_eq!(ran.metric("functional_errors", "passes"), Some(0.0));
    assert!(
        ran.complaints().contains("technical_errors: rate<0.02"),
        "{}",
        ran.complaints()
    );
}
