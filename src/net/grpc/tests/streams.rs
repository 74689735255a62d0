//! Calls of several messages, in all directions.

use super::server::Server;
use super::*;

async fn received(stream: &mut Stream) -> Vec<Answer> {
    let mut all = Vec::new();
    while let Received::Message(bytes) = stream.recv().await {
        all.push(Answer::decode(bytes).unwrap());
    }
    all
}

#[test]
fn a_server_sends_many() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("Many");
        for (text, count, size, code) in [
            ("a", 0, 0, Code::Ok),
            ("b", 3, 10, Code::Ok),
            ("big", 40, 300_000, Code::Ok),
            ("fail", 2, 0, Code::DataLoss),
        ] {
            let asked = Ask {
                count,
                data: vec![1; size],
                ..ask(text)
            };
            let mut stream = channel.open(&call(&method, &asked)).await;
            assert!(!stream.is_open());
            assert!(!stream.send(message(&ask("x"))).await);
            let all = received(&mut stream).await;
            let texts: Vec<String> = (0..count).map(|n| format!("{text} {n}")).collect();
            assert_eq!(all.iter().map(|answer| answer.text.clone()).collect::<Vec<_>>(), texts);
            assert!(all.iter().all(|answer| answer.data.len() == size));
            let reply = stream.finish().await;
            assert_eq!((reply.ending(), reply.messages), ((code, None), (1, count as u64)));
            assert_eq!(reply.message, None);
        }
    });
}

#[test]
fn a_client_sends_many() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("Sum");
        let mut stream = channel.open(&call_of_many(&method)).await;
        // More than both windows hold.
        for count in 0..100 {
            let asked = Ask {
                count,
                data: vec![3; 100_000],
                ..Ask::default()
            };
            assert!(stream.send(message(&asked)).await);
        }
        let reply = stream.finish().await;
        assert_eq!(reply.answer().text, "4950 10000000");
        assert_eq!(reply.messages, (100, 1));
        assert!(reply.sent > 10_000_000 && reply.timings.sending > Duration::ZERO);

        // The server has heard enough.
        let mut stream = channel.open(&call_of_many(&method)).await;
        assert!(stream.send(message(&ask("stop"))).await);
        assert_eq!(stream.recv().await, Received::End);
        assert!(!stream.is_open() && !stream.send(message(&ask("more"))).await);
        let reply = stream.finish().await;
        assert_eq!(
            (reply.ending(), &*reply.status.message),
            ((Code::Aborted, None), "enough")
        );
    });
}

#[test]
fn both_talk_in_turns() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("Talk");
        for compression in [None, Some(Compression::Gzip)] {
            let mut call = call_of_many(&method);
            call.compression = compression;
            let mut stream = channel.open(&call).await;
            for turn in 0..5 {
                let asked = Ask {
                    data: vec![1; turn * 50_000],
                    ..ask(&turn.to_string())
                };
                assert!(stream.is_open() && stream.send(message(&asked)).await);
                let Received::Message(bytes) = stream.recv().await else {
                    panic!("it is over");
                };
                let answer = Answer::decode(bytes).unwrap();
                assert_eq!((answer.text, answer.data), (asked.text, asked.data));
                assert_eq!(stream.messages(), (turn as u64 + 1, turn as u64 + 1));
            }
            assert!(stream.headers().await.get("content-type").is_some());
            stream.close_send();
            assert!(!stream.is_open());
            assert_eq!(stream.recv().await, Received::End);
            let reply = stream.finish().await;
            assert_eq!((reply.ending(), reply.messages), ((Code::Ok, None), (5, 5)));
        }
    });
}

#[test]
fn finishing_drops_what_nobody_has_asked_for() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("Talk");
        let mut stream = channel.open(&call_of_many(&method)).await;
        for _ in 0..3 {
            assert!(stream.send(message(&ask("x"))).await);
        }
        let reply = stream.finish().await;
        assert_eq!(
            (reply.ending(), reply.messages, reply.message),
            ((Code::Ok, None), (3, 3), None)
        );
    });
}

#[test]
fn streams_that_do_not_end_are_ended_by_their_limit_or_here() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("Many");
        let endless = Ask {
            count: 1,
            ..ask("endless")
        };
        let mut asked = call(&method, &endless);
        asked.timeout = Duration::from_millis(100);
        let mut stream = channel.open(&asked).await;
        assert_eq!(received(&mut stream).await.len(), 1);
        let reply = stream.finish().await;
        assert_eq!(reply.ending(), (Code::DeadlineExceeded, Some(ErrorKind::Timeout)));
        assert_eq!(
            reply.status.message,
            "timed out after 100ms while receiving the response".into()
        );

        let mut stream = channel.open(&call(&method, &endless)).await;
        assert!(matches!(stream.recv().await, Received::Message(_)));
        let reply = stream.cancel();
        assert_eq!((reply.status.code, reply.messages), (Code::Cancelled, (1, 1)));
        drop(channel.open(&call(&method, &endless)).await);
        assert_eq!(
            channel.open(&call(&method, &ask("x"))).await.finish().await.status.code,
            Code::Ok
        );
    });
}

#[test]
fn a_stream_that_the_server_does_not_read_holds_up_its_sender() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("Talk");
        let mut asked = call_of_many(&method);
        asked.timeout = Duration::from_millis(700);
        let mut stream = channel.open(&asked).await;
        let big = Ask {
            data: vec![1; 300_000],
            ..Ask::default()
        };
        // Nobody reads the answers, so that the server stops reading at some time.
        let mut count = 0;
        while stream.send(message(&big)).await {
            count += 1;
            assert!(count < 1_000);
        }
        assert!(count >= 3, "{count}");
        let reply = stream.finish().await;
        assert_eq!(
            reply.ending(),
            (Code::DeadlineExceeded, Some(ErrorKind::Timeout)),
            "{reply:?}"
        );
        assert_eq!(reply.messages.0, count);
    });
}
