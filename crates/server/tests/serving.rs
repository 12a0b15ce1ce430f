//! A node without a master, as its clients see it: pipelines, transactions, limits and ends.

#![allow(clippy::unwrap_used)] // a test may

use std::time::Duration;

use server::config::{Config, HttpAddress, OutputLimit, OutputLimits, Secret};
use server::{Server, config_table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn config() -> Config {
    Config {
        bind: vec![String::from("127.0.0.1")],
        port: 0,
        http: None,
        dir: std::env::temp_dir(),
        ..Config::default()
    }
}

async fn start(config: Config) -> Server {
    Server::start(config).await.unwrap()
}

/// A client that sends bytes and reads bytes.
struct Client(TcpStream);

impl Client {
    async fn of(server: &Server) -> Client {
        Client(TcpStream::connect(("127.0.0.1", server.ports().resp.unwrap())).await.unwrap())
    }
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.replace('|', "\r\n").as_bytes()).await.unwrap();
    }
    /// Reads as much as `expected` has, and holds it against that; line ends are shown as `|`.
    async fn expect(&mut self, expected: &str) {
        let mut bytes = vec![0; expected.replace('|', "\r\n").len()];
        let read = tokio::time::timeout(Duration::from_secs(20), self.0.read_exact(&mut bytes)).await;
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "|");
        read.unwrap_or_else(|_| panic!("wanted {expected}, there is {text}")).unwrap();
        assert_eq!(text, expected);
    }
    async fn ask(&mut self, request: &str, expected: &str) {
        self.send(&format!("{request}|")).await;
        self.expect(expected).await;
    }
    /// Everything until the other side closes.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.0.read_to_end(&mut bytes)).await;
        read.expect("it was to be closed").ok();
        String::from_utf8_lossy(&bytes).replace("\r\n", "|")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_answered_in_order_however_it_is_split() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    let mut sent = String::new();
    let mut expected = String::new();
    for number in 0..500 {
        // Reads, a write that needs the token, and the server's own commands, in turn.
        sent.push_str(&format!("*3|$3|SET|$1|k|${}|{number}|*2|$3|GET|$1|k|PING|", number.to_string().len()));
        expected.push_str(&format!("+OK|${}|{number}|+PONG|", number.to_string().len()));
    }
    client.send(&sent).await;
    client.expect(&expected).await;
    let wire = sent.replace('|', "\r\n");
    for piece in wire.as_bytes().chunks(7).take(2000) {
        client.0.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let whole = expected.get(..1000).unwrap();
    client.expect(whole).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_runs_at_once_or_not_at_all() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    let mut other = Client::of(&server).await;
    client.ask("MULTI", "+OK|").await;
    client.ask("SET a 1", "+QUEUED|").await;
    client.ask("INCR a", "+QUEUED|").await;
    other.ask("GET a", "$-1|").await;
    client.ask("EXEC", "*2|+OK|:2|").await;
    other.ask("GET a", "$1|2|").await;

    client.ask("MULTI", "+OK|").await;
    client.ask("GET", "-ERR wrong number of arguments for 'get' command|").await;
    client.ask("EXEC", "-EXECABORT Transaction discarded because of previous errors.|").await;

    client.ask("WATCH a", "+OK|").await;
    other.ask("SET a 3", "+OK|").await;
    client.ask("MULTI", "+OK|").await;
    client.ask("GET a", "+QUEUED|").await;
    client.ask("EXEC", "*-1|").await;

    client.ask("WATCH a", "+OK|").await;
    client.ask("MULTI", "+OK|").await;
    client.ask("GET a", "+QUEUED|").await;
    client.ask("EXEC", "*1|$1|3|").await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_notices_that_its_key_expires() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    client.ask("SET a 1 PX 1", "+OK|").await;
    client.ask("SET b 1 PX 30", "+OK|").await;
    // Gone before it is watched: that is no news.
    while {
        client.send("EXISTS a|").await;
        let mut answer = [0; 4];
        client.0.read_exact(&mut answer).await.unwrap();
        &answer != b":0\r\n"
    } {}
    client.ask("WATCH b", "+OK|").await;
    while {
        client.send("EXISTS b|").await;
        let mut answer = [0; 4];
        client.0.read_exact(&mut answer).await.unwrap();
        &answer != b":0\r\n"
    } {}
    client.ask("MULTI", "+OK|").await;
    client.ask("PING", "+QUEUED|").await;
    client.ask("EXEC", "*-1|").await;
    client.ask("WATCH a", "+OK|").await;
    client.ask("MULTI", "+OK|").await;
    client.ask("PING", "+QUEUED|").await;
    client.ask("EXEC", "*1|+PONG|").await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_the_protocol_is_told_and_let_go() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    client.send("PING|*1|$x|").await;
    assert_eq!(client.rest().await, "+PONG|-ERR Protocol error: invalid bulk length|");
    let mut client = Client::of(&server).await;
    client.send("QUIT|PING|").await;
    assert_eq!(client.rest().await, "+OK|");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_wanted_before_anything_else() {
    let server = start(Config { requirepass: Secret::new("secret"), ..config() }).await;
    let mut client = Client::of(&server).await;
    client.ask("GET a", "-NOAUTH Authentication required.|").await;
    client.ask("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.|").await;
    client.ask("AUTH default secret", "+OK|").await;
    client.ask("GET a", "$-1|").await;
    client.ask("RESET", "+RESET|").await;
    client.ask("GET a", "-NOAUTH Authentication required.|").await;
    // A stranger may not make us hold much.
    client.send("*1|$20000|").await;
    assert!(client.rest().await.contains("unauthenticated"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_above_the_limit_are_told_so() {
    let server = start(Config { maxclients: 1, ..config() }).await;
    let mut client = Client::of(&server).await;
    client.ask("PING", "+PONG|").await;
    let mut second = Client::of(&server).await;
    assert_eq!(second.rest().await, "-ERR max number of clients reached|");
    drop(client);
    // Its place is free as soon as its end was seen.
    loop {
        let mut third = Client::of(&server).await;
        third.0.write_all(b"PING\r\n").await.unwrap();
        let mut answer = [0; 1];
        if third.0.read_exact(&mut answer).await.is_ok() && &answer == b"+" {
            break;
        }
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_over_the_limit_ends_the_client() {
    let limit = OutputLimit { hard_bytes: 1 << 20, ..OutputLimit::default() };
    let server = start(Config {
        client_output_limits: OutputLimits { normal: limit, ..OutputLimits::default() },
        ..config()
    })
    .await;
    let mut client = Client::of(&server).await;
    let long = "x".repeat(600_000);
    client.ask(&format!("SET k {long}"), "-ERR Protocol error: too big inline request|").await;
    let mut client = Client::of(&server).await;
    client.ask(&format!("*3|$3|SET|$1|k|$600000|{long}"), "+OK|").await;
    client.ask("STRLEN k", ":600000|").await;
    client.ask("MGET k", &format!("*1|$600000|{long}|")).await;
    client.send("MGET k k k|").await;
    assert_eq!(client.rest().await, "");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_over_the_limit_ends_the_client() {
    let server = start(Config { client_query_limit: 1 << 20, ..config() }).await;
    let mut other = Client::of(&server).await;
    let long = "x".repeat(1 << 20);
    // In one request, and in several that wait for EXEC.
    let mut one = Client::of(&server).await;
    // It may be cut off while it still sends.
    one.0
        .write_all(format!("*3|$3|SET|$1|k|${}|{long}", long.len()).replace('|', "\r\n").as_bytes())
        .await
        .ok();
    assert_eq!(one.rest().await, "");
    let mut many = Client::of(&server).await;
    many.ask("MULTI", "+OK|").await;
    let half = "x".repeat(1 << 19);
    many.ask(&format!("*3|$3|SET|$1|k|${}|{half}", half.len()), "+QUEUED|").await;
    let again = format!("*3|$3|SET|$1|k|${}|{half}", half.len()).replace('|', "\r\n");
    many.0.write_all(again.as_bytes()).await.ok();
    assert_eq!(many.rest().await, "");
    other.ask("EXISTS k", ":0|").await;
    other.ask(&format!("*3|$3|SET|$1|k|${}|{half}", half.len()), "+OK|").await;
    other.send("INFO stats|").await;
    let mut bytes = vec![0; 1 << 14];
    let count = other.0.read(&mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(bytes.get(..count).unwrap());
    assert!(text.contains("client_query_buffer_limit_disconnections:2"), "{text}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_is_let_go_and_counted() {
    let limit =
        OutputLimit { soft_bytes: 1 << 20, soft_time: Duration::from_secs(1), ..OutputLimit::default() };
    let server = start(Config {
        client_output_limits: OutputLimits { normal: limit, ..OutputLimits::default() },
        ..config()
    })
    .await;
    let mut deaf = Client::of(&server).await;
    let long = "x".repeat(1 << 20);
    deaf.ask(&format!("*3|$3|SET|$1|k|${}|{long}", long.len()), "+OK|").await;
    // More than the kernel holds for both sides together.
    deaf.send(&"MGET k k k k k k k k|".repeat(8)).await;
    let mut other = Client::of(&server).await;
    loop {
        other.send("INFO stats|").await;
        let mut bytes = vec![0; 1 << 14];
        let count = other.0.read(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(bytes.get(..count).unwrap()).into_owned();
        if text.contains("client_output_buffer_limit_disconnections:1") {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(deaf.rest().await.len() < 64 << 20);
    server.shutdown().await;
}

/// A client with a deep pipeline had its thread until all of it was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_pipeline_leaves_others_their_turns() {
    const DEPTH: usize = 200_000;
    let server = start(config()).await;
    let mut other = Client::of(&server).await;
    other.ask("SET n 0", "+OK|").await;
    let (mut answers, mut requests) = Client::of(&server).await.0.into_split();
    let writing = tokio::spawn(async move {
        requests.write_all("INCR n\r\n".repeat(DEPTH).as_bytes()).await.unwrap();
        requests
    });
    let reading = tokio::spawn(async move {
        let last = format!(":{DEPTH}\r\n");
        let mut bytes = Vec::new();
        while !bytes.ends_with(last.as_bytes()) {
            assert_ne!(answers.read_buf(&mut bytes).await.unwrap(), 0);
        }
    });
    // How far the pipeline was whenever the other had its turn.
    let mut seen = std::collections::BTreeSet::<usize>::new();
    while !seen.contains(&DEPTH) {
        other.send("GET n|").await;
        let mut bytes = Vec::new();
        while bytes.iter().filter(|byte| **byte == b'\n').count() < 2 {
            assert_ne!(other.0.read_buf(&mut bytes).await.unwrap(), 0);
        }
        seen.insert(String::from_utf8(bytes).unwrap().lines().nth(1).unwrap().parse().unwrap());
    }
    seen.remove(&0);
    seen.remove(&DEPTH);
    assert!(seen.len() > 2, "answered only at {seen:?}");
    reading.await.unwrap();
    drop(writing.await.unwrap());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_end_another() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    let mut other = Client::of(&server).await;
    client.ask("CLIENT ID", ":1|").await;
    other.ask("CLIENT ID", ":2|").await;
    client.ask("CLIENT KILL ID 2", ":1|").await;
    assert_eq!(other.rest().await, "");
    client.ask("CLIENT KILL ID 1 SKIPME no", ":1|").await;
    assert_eq!(client.rest().await, "");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_by_a_client_is_heard() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    client.send("SHUTDOWN NOSAVE|").await;
    server.ended_by_client().await;
    assert_eq!(client.rest().await, "");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleeping_stops_data_and_nothing_else() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    let mut other = Client::of(&server).await;
    other.ask("SET a 1", "+OK|").await;
    client.send("DEBUG SLEEP 0.2|").await;
    for _ in 0..1000 {
        other.ask("PING", "+PONG|").await;
        other.ask("GET a", "$1|1|").await;
    }
    client.expect("+OK|").await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_tells_metrics_and_health() {
    let server = start(Config { http: HttpAddress::parse("127.0.0.1:0").ok(), ..config() }).await;
    let mut client = Client::of(&server).await;
    client.ask("SET a 1", "+OK|").await;
    client.ask("NOSUCH a", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' |").await;
    let get = async |path: &str| {
        let mut http = Client(TcpStream::connect(("127.0.0.1", server.ports().http.unwrap())).await.unwrap());
        http.send(&format!("GET {path} HTTP/1.1|Host: x|Connection: close||")).await;
        http.rest().await
    };
    let page = get("/metrics").await;
    assert!(page.contains("nearside_keys{db=\"0\"} 1\n"), "{page}");
    assert!(page.contains("nearside_commands_total{command=\"set\"} 1\n"), "{page}");
    assert!(!page.to_lowercase().contains("nosuch"), "{page}");
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_can_be_asked_for() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    for row in config_table::ROWS {
        client.send(&format!("CONFIG GET {}|", row.name)).await;
        client.expect(&format!("*2|${}|{}|", row.name.len(), row.name)).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n") {
            head.push(client.0.read_u8().await.unwrap());
        }
        let len: usize = std::str::from_utf8(&head).unwrap().trim().trim_start_matches('$').parse().unwrap();
        let mut value = vec![0; len + 2];
        client.0.read_exact(&mut value).await.unwrap();
        let value = String::from_utf8_lossy(&value).trim_end().to_owned();
        // What can be set takes its own value.
        if row.set.is_some() {
            client
                .ask(
                    &format!("*4|$6|CONFIG|$3|SET|${}|{}|${}|{value}", row.name.len(), row.name, value.len()),
                    "+OK|",
                )
                .await;
        }
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_reads_are_answered_in_their_turn() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    for _ in 0..200 {
        client.ask(&format!("RPUSH l{}", " 1".repeat(100)), "").await;
    }
    client.send("LLEN l|LRANGE l 0 -1|PING|KEYS *|PING|").await;
    let pushed: String = (1..=200).map(|count| format!(":{}|", count * 100)).collect();
    let all = "$1|1|".repeat(20_000);
    client.expect(&format!("{pushed}:20000|*20000|{all}+PONG|*1|$1|l|+PONG|")).await;
    client.send("CLIENT REPLY SKIP|LRANGE l 0 -1|PING|").await;
    client.expect("+PONG|").await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_goes_though_nobody_asks_for_it() {
    let server = start(config()).await;
    let mut client = Client::of(&server).await;
    for number in 0..1000 {
        client.ask(&format!("SET k{number} 1 PX 5"), "+OK|").await;
    }
    client.ask("HSET h f v", ":1|").await;
    client.ask("HPEXPIRE h 5 FIELDS 1 f", "*1|:1|").await;
    client.ask("SELECT 9", "+OK|").await;
    client.ask("SET other 1 PX 5", "+OK|").await;
    client.ask("SET stays 1", "+OK|").await;
    for (db, left) in [(0, ":0\r\n"), (9, ":1\r\n")] {
        client.ask(&format!("SELECT {db}"), "+OK|").await;
        loop {
            client.send("DBSIZE|").await;
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n") {
                answer.push(client.0.read_u8().await.unwrap());
            }
            if answer == left.as_bytes() {
                break;
            }
        }
    }
    server.shutdown().await;
}
