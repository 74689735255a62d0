//! Schemas and health, asked of servers.

use super::server::{Reflects, Server};
use super::*;

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_servers_schema_is_learned_by_either_version() {
    run(async {
        for reflects in [Reflects::V1, Reflects::V1Alpha] {
            let server = Server::with(reflects, None);
            let channel = channel(server.addr, &plaintext());
            for ask in [reflection::Ask::All, reflection::Ask::Service("echo.v1.Echo")] {
                let schema = reflect(&channel, ask, &NO_METADATA, LIMIT).await.unwrap();
                let method = schema.method("echo.v1.Echo/One").unwrap();
                let reply = channel.unary(&call(&method, &super::ask("hi"))).await;
                assert_eq!(reply.answer().text, "hi");
            }
            let unknown = reflect(&channel, reflection::Ask::Service("no.Such"), &NO_METADATA, LIMIT).await;
            let text = unknown.unwrap_err().to_string();
            assert!(
                text.starts_with("reflection: the server has no service \"no.Such\"") || text.contains("NOT_FOUND"),
                "{text}"
            );
        }
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let error = reflect(&channel, reflection::Ask::All, &NO_METADATA, LIMIT)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "reflection: UNIMPLEMENTED; the server has none");
    });
}

#[test]
fn a_server_that_is_not_there_has_no_schema() {
    run(async {
        let addr = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let error = reflect(&channel(addr, &plaintext()), reflection::Ask::All, &NO_METADATA, LIMIT).await;
        let text = error.unwrap_err().to_string();
        assert_eq!(text, format!("reflection: UNAVAILABLE: connection refused by {addr}"));
    });
}

#[test]
fn health_is_what_the_server_says() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        for (service, code, expected) in [
            ("", Code::Ok, Some(Health::Serving)),
            ("known", Code::Ok, Some(Health::Serving)),
            ("unknown", Code::NotFound, None),
        ] {
            let (reply, health) = health(&channel, service, &NO_METADATA, LIMIT).await;
            assert_eq!((reply.status.code, health), (code, expected), "{service}");
        }
        assert_eq!(Health::Serving.name(), "SERVING");
    });
}
