//! Connections that all virtual users of a process share: never more than were asked for, whatever happens.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::http2::{handle, serve2};
use super::*;

fn sharing(version: HttpVersion, limit: usize) -> HttpConfig {
    HttpConfig {
        timeout: Duration::from_secs(10),
        version,
        connections: Connections::Shared(NonZeroUsize::new(limit).unwrap()),
        ..HttpConfig::default()
    }
}

/// VUs of one core.
fn users(version: HttpVersion, limit: usize, count: u64) -> Vec<Rc<Client>> {
    let shared = Shared::new(sharing(version, limit)).unwrap();
    (0..count)
        .map(|vu| Rc::new(Client::new(Rc::clone(&shared), vu)))
        .collect()
}

async fn all(users: &[Rc<Client>], server: &Server, rounds: usize) -> Vec<Exchange> {
    let journeys = users.iter().map(|user| async move {
        let mut exchanges = Vec::new();
        for _ in 0..rounds {
            exchanges.push(send(user, get(server.url("/"))).await);
        }
        exchanges
    });
    futures_util::future::join_all(journeys).await.concat()
}

#[test]
fn http1_connections_go_round() {
    run(async {
        let server = Server::answering(|_| ok("x")).await;
        let users = users(HttpVersion::Auto, 3, 20);
        let exchanges = all(&users, &server, 5).await;
        for exchange in &exchanges {
            assert_eq!(exchange.text(), "x");
            // Waiting is not service: what there is of both is apart.
            assert!(
                exchange.timings.duration() + exchange.timings.blocked <= exchange.finished_at - exchange.started_at
            );
        }
        assert_eq!(server.connections.get(), 3);
        assert_eq!(exchanges.iter().filter(|e| !e.reused).count(), 3);
        let blocked = exchanges.iter().filter(|e| e.timings.blocked > Duration::ZERO).count();
        assert!(blocked >= 80, "{blocked}");
    });
}

#[test]
fn who_waits_for_an_http1_connection_is_told_so_and_served_in_order() {
    run(async {
        let release = Rc::new(Semaphore::new(0));
        let server = Server::raw({
            let release = Rc::clone(&release);
            move |number, mut stream| {
                let release = Rc::clone(&release);
                async move {
                    while let Some(seen) = request(&mut stream, number, 0).await {
                        release.acquire().await.unwrap().forget();
                        let _ = stream.write_all(&ok(seen.path())).await;
                    }
                }
            }
        })
        .await;
        let users = users(HttpVersion::Http1, 1, 4);
        let order = RefCell::new(Vec::new());
        let one = |user: usize, timeout| {
            let (client, order) = (&users[user], &order);
            let mut request = get(server.url(&format!("/{user}")));
            request.timeout = Some(Duration::from_millis(timeout));
            async move {
                let exchange = send(client, request).await;
                order.borrow_mut().push(user);
                exchange
            }
        };
        let late = async {
            let exchange = one(2, 200).await;
            release.add_permits(3);
            exchange
        };
        let (_, _, late, _) = tokio::join!(one(0, 9_000), one(1, 9_000), late, one(3, 9_000));
        let error = late.error();
        assert_eq!(
            error.message,
            "timed out after 200ms while waiting for a free connection: 1 are shared here"
        );
        assert!(late.timings.blocked >= Duration::from_millis(190) && late.timings.duration() == Duration::ZERO);
        assert_eq!(*order.borrow(), [2, 0, 1, 3]);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_stale_or_dropped_http1_connection_gives_its_place_back() {
    run(async {
        // Closes every connection after its second answer, without a word.
        let server = Server::raw(|number, mut stream| async move {
            for nth in 0..2 {
                if request(&mut stream, number, nth).await.is_none() {
                    return;
                }
                let _ = stream.write_all(&ok("x")).await;
            }
        })
        .await;
        let users = users(HttpVersion::Http1, 2, 6);
        for exchange in all(&users, &server, 10).await {
            assert_eq!(exchange.text(), "x");
        }
        // Half-way through, twice as many as there are connections.
        for user in users.iter().take(4) {
            let mut pending = Box::pin(user.fetch(get(server.url("/"))));
            assert!(!poll_once(&mut pending).await);
        }
        for exchange in all(&users, &server, 2).await {
            assert_eq!(exchange.text(), "x");
        }
    });
}

#[test]
fn http2_streams_spread_over_the_connections() {
    run(async {
        let now = Rc::new(RefCell::new([0_usize; 4]));
        let most = Rc::new(RefCell::new([0_usize; 4]));
        let first = Rc::new(tokio::sync::Barrier::new(4));
        let everybody = Rc::new(tokio::sync::Barrier::new(40));
        let server = serve2(Some(20), {
            let (now, most) = (Rc::clone(&now), Rc::clone(&most));
            handle(move |asked| {
                let (now, most) = (Rc::clone(&now), Rc::clone(&most));
                let meeting = Rc::clone(if asked.nth == 0 { &first } else { &everybody });
                async move {
                    let at = asked.connection;
                    now.borrow_mut()[at] += 1;
                    let here = now.borrow()[at];
                    let before = most.borrow()[at];
                    most.borrow_mut()[at] = before.max(here);
                    meeting.wait().await;
                    now.borrow_mut()[at] -= 1;
                    asked.ok("x");
                }
            })
        })
        .await;
        let users = users(HttpVersion::Http2, 4, 40);
        // The first four open one each, because the others are busy; the forty after them find all open.
        for users in [&users[..4], &users] {
            for exchange in all(users, &server, 1).await {
                assert_eq!(exchange.text(), "x");
            }
        }
        assert_eq!(server.connections.get(), 4);
        assert_eq!(*most.borrow(), [10; 4]);
    });
}

#[test]
fn a_light_load_needs_one_connection() {
    run(async {
        let server = serve2(None, handle(|asked| async move { asked.ok("x") })).await;
        let users = users(HttpVersion::Http2, 4, 3);
        for _ in 0..3 {
            for user in &users {
                send(user, get(server.url("/"))).await.response();
            }
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn users_of_other_threads_use_the_same_connections() {
    run(async {
        let server = serve2(Some(5), handle(|asked| async move { asked.ok("x") })).await;
        for (limit, cores) in [(1, 3), (2, 3), (5, 3)] {
            let before = server.connections.get();
            let pools = Arc::<Pools>::default();
            pools.deal(cores);
            let address = server.addr;
            let ended = Arc::new(tokio::sync::Barrier::new(cores));
            let threads = (0..cores).map(|_| {
                let (pools, ended) = (Arc::clone(&pools), Arc::clone(&ended));
                std::thread::spawn(move || {
                    run(async move {
                        let shared = Shared::among(sharing(HttpVersion::Http2, limit), &pools).unwrap();
                        let url = url::Url::parse(&format!("http://{address}/")).unwrap();
                        let journeys = (0..20).map(|vu| {
                            let client = Client::new(Rc::clone(&shared), vu);
                            let url = url.clone();
                            async move {
                                for _ in 0..20 {
                                    assert_eq!(send(&client, get(url.clone())).await.text(), "x");
                                }
                            }
                        });
                        futures_util::future::join_all(journeys).await;
                        // Streams of others are driven here.
                        ended.wait().await;
                    });
                })
            });
            let threads: Vec<_> = threads.collect();
            let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
            assert!(joined.await.unwrap());
            assert_eq!(server.connections.get() - before, limit);
        }
    });
}

#[test]
fn what_is_released_counts_no_more() {
    run(async {
        let http2 = serve2(None, handle(|asked| async move { asked.ok("x") })).await;
        let http1 = Server::answering(|_| ok("x")).await;
        for (server, version) in [(&http2, HttpVersion::Http2), (&http1, HttpVersion::Http1)] {
            let users = users(version, 1, 2);
            for user in &users {
                for _ in 0..2 {
                    assert_eq!(send(user, get(server.url("/"))).await.text(), "x");
                }
                user.shared().release();
            }
            assert_eq!(server.connections.get(), 2);
        }
    });
}

#[test]
fn an_edit_that_leaves_connections_as_they_are_keeps_them() {
    run(async {
        let server = Server::answering(|_| ok("x")).await;
        let old = Shared::new(sharing(HttpVersion::Http1, 1)).unwrap();
        let before = Client::new(Rc::clone(&old), 0);
        send(&before, get(server.url("/"))).await.response();
        let mut config = sharing(HttpVersion::Http1, 1);
        config.max_redirects = 3;
        let new = old.follow(config).unwrap();
        let after = Client::new(new, 1);
        // One has gone over, the other not yet.
        for client in [&after, &before, &after] {
            assert!(send(client, get(server.url("/"))).await.reused);
        }
        assert_eq!(server.connections.get(), 1);
    });
}
