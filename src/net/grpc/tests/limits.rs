//! How many calls there are at once, and on how many connections: never more than was asked for or allowed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::server::{Reflects, Server};
use super::*;
use crate::net::Pools;

fn capped(cap: usize, options: Options) -> Options {
    Options {
        max_in_flight: NonZeroUsize::new(cap),
        ..options
    }
}

fn slow(count: i64) -> Ask {
    Ask { count, ..ask("sleep") }
}

/// Calls from several threads, as the cores of a run make them; what blocked them.
async fn from_threads(
    addr: SocketAddr,
    cores: usize,
    options: &Options,
    users: u64,
    rounds: usize,
) -> Vec<Option<Bound>> {
    let pools = Arc::<Pools>::default();
    pools.deal(cores);
    // A connection is driven by the thread that opened it.
    let ended = Arc::new(tokio::sync::Barrier::new(cores));
    let threads = (0..cores).map(|_| {
        let (pools, options, ended) = (Arc::clone(&pools), options.clone(), Arc::clone(&ended));
        std::thread::spawn(move || {
            run(async move {
                let shared = Shared::among(HttpConfig::default(), &pools).unwrap();
                let endpoint = Endpoint::of(&shared, &addr.to_string(), &options).unwrap();
                let method = method("One");
                let users = (0..users).map(|vu| {
                    let channel = Channel::new(&endpoint, vu);
                    let method = &method;
                    async move {
                        let mut bounds = Vec::new();
                        for _ in 0..rounds {
                            let reply = channel.unary(&call(method, &slow(5))).await;
                            assert_eq!(reply.status.code, Code::Ok, "{reply:?}");
                            assert_eq!(
                                reply.timings.blocked > Duration::ZERO,
                                reply.blocked_by.is_some(),
                                "{reply:?}"
                            );
                            bounds.push(reply.blocked_by);
                        }
                        bounds
                    }
                });
                let bounds = futures_util::future::join_all(users).await.concat();
                ended.wait().await;
                bounds
            })
        })
    });
    let threads: Vec<_> = threads.collect();
    let joined =
        tokio::task::spawn_blocking(move || threads.into_iter().map(|thread| thread.join().unwrap()).collect());
    let bounds: Vec<Vec<_>> = joined.await.unwrap();
    bounds.concat()
}

#[test]
fn a_cap_holds_over_all_cores_and_one_connection() {
    run(async {
        for cap in [1, 3, 8] {
            let server = Server::start();
            let bounds = from_threads(server.addr, 2, &capped(cap, sharing(1)), 10, 5).await;
            assert_eq!(server.seen.most.load(Ordering::SeqCst), cap);
            assert_eq!(server.seen.calls.load(Ordering::SeqCst), 100);
            assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
            let by_cap = bounds.iter().filter(|bound| **bound == Some(Bound::Cap)).count();
            assert!(by_cap >= 100 - 2 * cap, "{by_cap}");
        }
    });
}

#[test]
fn the_servers_stream_limit_holds_and_is_named() {
    run(async {
        for allowed in [1, 2, 7] {
            let server = Server::with(Reflects::Nothing, Some(allowed));
            let bounds = from_threads(server.addr, 2, &sharing(1), 10, 5).await;
            assert_eq!(server.seen.most.load(Ordering::SeqCst), allowed as usize);
            assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
            let by_server = bounds
                .iter()
                .filter(|bound| **bound == Some(Bound::Streams(allowed as usize)))
                .count();
            assert!(by_server >= 60, "{allowed}: {by_server} of {bounds:?}");
        }
    });
}

#[test]
fn connections_are_as_many_as_were_asked_for() {
    run(async {
        for (options, cores, expected) in [
            (sharing(1), 3, 1),
            (sharing(2), 3, 2),
            (sharing(5), 3, 5),
            (plaintext(), 2, 20),
            (capped(4, plaintext()), 2, 20),
            (capped(usize::MAX, sharing(1)), 2, 1),
        ] {
            let server = Server::start();
            from_threads(server.addr, cores, &options, 10, 3).await;
            assert_eq!(server.seen.connections.load(Ordering::SeqCst), expected, "{options:?}");
            if options.max_in_flight.is_some_and(|cap| cap.get() == 4) {
                assert_eq!(server.seen.most.load(Ordering::SeqCst), 4);
            }
        }
    });
}

#[test]
fn who_waits_for_the_cap_is_served_in_order_and_told_so() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &capped(1, plaintext()));
        let (one, talk) = (method("One"), method("Talk"));
        // A stream is a call in flight until it is over.
        let mut stream = channel.open(&call_of_many(&talk)).await;
        assert!(stream.send(message(&ask("x"))).await);
        assert_eq!(channel.endpoint().in_flight(), 1);
        let mut asked = call(&one, &ask("x"));
        asked.timeout = Duration::from_millis(50);
        let reply = channel.unary(&asked).await;
        assert_eq!(reply.ending(), (Code::DeadlineExceeded, Some(ErrorKind::Timeout)));
        assert_eq!(
            &*reply.status.message,
            "timed out after 50ms while waiting for `max_in_flight`"
        );
        assert_eq!(reply.blocked_by, Some(Bound::Cap));
        assert!(reply.timings.blocked >= Duration::from_millis(49) && reply.timings.duration() == Duration::ZERO);

        let order = std::cell::RefCell::new(Vec::new());
        let waiting = (0..5).map(|n| {
            let (channel, order, asked) = (&channel, &order, call(&one, &ask("x")));
            async move {
                let reply = channel.unary(&asked).await;
                order.borrow_mut().push(n);
                reply
            }
        });
        let finish = async {
            clock::sleep(Duration::from_millis(20)).await;
            stream.finish().await
        };
        let (replies, finished) = futures_util::future::join(futures_util::future::join_all(waiting), finish).await;
        assert_eq!(finished.status.code, Code::Ok);
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
        for reply in replies {
            assert_eq!((reply.status.code, reply.blocked_by), (Code::Ok, Some(Bound::Cap)));
            // What it has waited is not told to the server as its own.
            assert!(reply.timings.blocked >= Duration::from_millis(15), "{reply:?}");
        }
        assert_eq!(channel.endpoint().in_flight(), 0);
        // One that is dropped, waiting or in flight, gives its place back.
        let asked = call(&one, &ask("x"));
        let mut stream = channel.open(&call_of_many(&talk)).await;
        let mut waiting = Box::pin(channel.unary(&asked));
        assert!(!crate::net::tests::poll_once(&mut waiting).await);
        drop(waiting);
        assert!(stream.send(message(&ask("x"))).await);
        drop(stream);
        assert_eq!(channel.unary(&asked).await.status.code, Code::Ok);
    });
}

#[test]
fn equal_options_have_their_connections_in_common() {
    run(async {
        let server = Server::start();
        let shared = shared();
        let address = server.addr.to_string();
        let method = method("One");
        let options = capped(5, sharing(1));
        for _ in 0..3 {
            // As a script does that connects in each iteration.
            let channel = Channel::new(&Endpoint::of(&shared, &address, &options).unwrap(), 0);
            assert_eq!(channel.unary(&call(&method, &ask("x"))).await.status.code, Code::Ok);
            channel.close();
        }
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
        // Others are others, and so they are after a release.
        let other = Channel::new(&Endpoint::of(&shared, &address, &capped(6, sharing(1))).unwrap(), 0);
        assert_eq!(other.unary(&call(&method, &ask("x"))).await.status.code, Code::Ok);
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 2);
        shared.release();
        let again = Channel::new(&Endpoint::of(&shared, &address, &options).unwrap(), 0);
        assert_eq!(again.unary(&call(&method, &ask("x"))).await.status.code, Code::Ok);
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 3);
        // An edit of the plan's other options keeps what there is.
        let config = HttpConfig {
            max_redirects: 3,
            ..HttpConfig::default()
        };
        let edited = shared.follow(config).unwrap();
        let after = Channel::new(&Endpoint::of(&edited, &address, &options).unwrap(), 0);
        assert_eq!(after.unary(&call(&method, &ask("x"))).await.status.code, Code::Ok);
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_users_own_connection_is_closed_with_it() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("One");
        for expected in [1, 2] {
            for _ in 0..2 {
                assert_eq!(channel.unary(&call(&method, &ask("x"))).await.status.code, Code::Ok);
                assert_eq!(server.seen.connections.load(Ordering::SeqCst), expected);
            }
            channel.close();
        }
    });
}
