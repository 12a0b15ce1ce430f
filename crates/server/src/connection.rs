//! The task of one connection: read, run batches, write, wait.
//!
//! Waits for bytes of its client, for something to be sent to it unasked (see [`crate::outbox`]), and, when a request
//! cannot be answered yet, for what that waits for.
//!
//! Owns the socket, and decides only what to wait for. Never looks into a request.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use protocol::Reply;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::answer::Then;
use crate::batch::{self, Next};
use crate::buffers::{self, Buffers, READ_BYTES};
use crate::clients::Client;
use crate::clock;
use crate::config::OutputLimit;
use crate::exclusive;
use crate::node::Node;
use crate::session::Session;
use crate::stats::add;
use crate::transport::{Socket, Transport};
use crate::workers::Place;

/// How often in turn a write finds the token taken before it goes where it may wait for it. Others who write are soon
/// done, unless theirs is a long request.
const TURNS_LOST_MAX: u32 = 16;
/// The most that is sent at once: then the thread's other connections have their turn. The kernel copies on for as long
/// as the client reads, so one write of 25 MB to a client on the same machine took 15 ms.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take for its TLS handshake, which holds one of the places of `maxclients`.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Serves a connection until it ends.
pub(crate) fn serve<S: Transport>(
    node: Arc<Node>,
    stream: S,
    session: Session,
    place: Place,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    // Boxed, because a connection that goes to another thread begins there with this function again.
    Box::pin(serve_here(node, stream, session, place))
}

/// The same, after the handshake of TLS.
pub(crate) fn serve_tls(
    node: Arc<Node>,
    stream: TcpStream,
    session: Session,
    place: Place,
    config: Arc<ServerConfig>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let accepting = TlsAcceptor::from(config).accept(Socket::new(stream));
        let why = match tokio::time::timeout(HANDSHAKE_MAX, accepting).await {
            Ok(Ok(stream)) => {
                add(&node.stats.local().tls_handshakes, 1);
                return serve_here(node, Box::new(stream), session, place).await;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not done in {HANDSHAKE_MAX:?}"),
        };
        if let Some(left_out) = node.log.handshakes.turn(clock::steady()) {
            tracing::info!(client = %session.client().addr, why, left_out, "a client's TLS handshake failed");
        }
        add(&node.stats.local().tls_handshakes_failed, 1);
    })
}

async fn serve_here<S: Transport>(node: Arc<Node>, mut stream: S, mut session: Session, mut place: Place) {
    let mut held: Option<Box<Buffers>> = None;
    session.client().thread.store(place.thread(), Relaxed);
    loop {
        let mut buffers = match read(&node, &mut stream, &session, held.take()).await {
            Ok(Some(buffers)) => buffers,
            // It left, or it is gone: both are ends that a server lives with.
            Ok(None) | Err(_) => return,
        };
        if node.settings.is_over_query_limit(buffers.pending().len() + session.queued_bytes()) {
            over_query_limit(&node, session.client());
            return;
        }
        session.take_pushed(&mut buffers.reply);
        let mut turns_lost = 0;
        let mut is_refused = false;
        loop {
            let next = if buffers.wait.is_some() {
                Next::Read
            } else if let Some(request) = buffers.again.take() {
                Next::Exclusive(request)
            } else if turns_lost < TURNS_LOST_MAX {
                batch::run(&node, &mut session, &mut buffers)
            } else {
                // What is rarely waited for is boxed: its room would be part of each idle connection.
                let running = Box::pin(exclusive::run_batch(&node, session, buffers));
                let Some(ran) = running.await else { return };
                session = ran.session;
                buffers = ran.buffers;
                ran.next
            };
            turns_lost = match next {
                Next::Token => turns_lost + 1,
                Next::Apart => TURNS_LOST_MAX,
                _ => 0,
            };
            session.take_pushed(&mut buffers.reply);
            if !buffers.reply.is_empty() && write(&node, &mut stream, &session, &mut buffers).await.is_err() {
                return;
            }
            match next {
                Next::Read => break,
                Next::Wait(until) | Next::Blocked(until) => {
                    buffers.wait = Some(until);
                    break;
                }
                Next::Apart => {}
                // After the others who are ready.
                Next::More | Next::Token => tokio::task::yield_now().await,
                // Who was refused asked again, and is one who waits all the same.
                Next::Gate if is_refused => {
                    is_refused = !node.store.gate_opened().await;
                }
                Next::Gate => is_refused = !node.store.gate_opened_unless_refused().await,
                Next::Exclusive(request) => {
                    let running = Box::pin(exclusive::run(&node, session, request));
                    // Taken apart at once: what is kept while it is written would be part of each idle connection.
                    let Some(exclusive::Answered { session: back, reply, then, wait, again }) = running.await
                    else {
                        return;
                    };
                    session = back;
                    buffers.reply.set_protocol(session.protocol());
                    buffers.reply.append(reply);
                    buffers.wait = wait;
                    buffers.again = again;
                    session.take_pushed(&mut buffers.reply);
                    let written = write(&node, &mut stream, &session, &mut buffers).await;
                    if written.is_err() || then == Then::Close {
                        // Nothing more will be said.
                        let _ = stream.shutdown().await;
                        return;
                    }
                    if buffers.wait.is_some() {
                        break;
                    }
                }
                Next::Close => {
                    // Nothing more will be said.
                    let _ = stream.shutdown().await;
                    return;
                }
            }
        }
        let client = session.client();
        let is_done = buffers.is_empty();
        if !is_done {
            // As the next read wants it, so that what is told of it is true until then.
            buffers.make_room();
        }
        client.input_room.store(if is_done { 0 } else { buffers.input.capacity() }, Relaxed);
        client.input_bytes.store(buffers.pending().len(), Relaxed);
        held = if is_done {
            buffers::give_back(buffers);
            if let Some(to) = place.elsewhere()
                && session.client().is_moving()
            {
                // Who ended it until now has ended this task, which then does not come back from here.
                tokio::task::yield_now().await;
                let address = session.client().addr.clone();
                if let Err(error) = go(node, stream, session, place, to) {
                    tracing::debug!(client = %address, %error, "a connection was lost between two threads");
                }
                return;
            }
            None
        } else {
            Some(buffers)
        };
    }
}

/// Goes to another thread.
fn go<S: Transport>(node: Arc<Node>, stream: S, session: Session, place: Place, to: usize) -> io::Result<()> {
    let client = Arc::clone(session.client());
    let (stream, rest) = stream.part()?;
    let task = place.go(to, stream, |stream, place| serve(node, S::join(stream, rest), session, place))?;
    client.served_by(task);
    Ok(())
}

/// Waits until there are bytes, and reads some; or until something is to be sent; or until what the next request waits
/// for is over. Room is lent when there is something, not while waiting for it. `None` at the end.
async fn read(
    node: &Node,
    stream: &mut impl Transport,
    session: &Session,
    mut held: Option<Box<Buffers>>,
) -> io::Result<Option<Box<Buffers>>> {
    poll_fn(|context| {
        let is_pushed = session.client().outbox_if_any().is_some_and(|outbox| outbox.poll(context));
        let mut buffers = held.take().unwrap_or_else(|| buffers::lend(session.protocol()));
        let is_over = buffers.wait.as_mut().is_some_and(|wait| wait.is_over(context));
        if is_over {
            buffers.wait = None;
        }
        buffers.make_room();
        // Made anew at each poll: it holds nothing between two.
        let read = pin!(stream.read_buf(&mut buffers.input)).poll(context);
        match read {
            Poll::Pending if is_over || is_pushed => Poll::Ready(Ok(Some(buffers))),
            Poll::Pending => {
                if buffers.is_empty() {
                    buffers::give_back(buffers);
                } else {
                    held = Some(buffers);
                }
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(None)),
            Poll::Ready(Ok(count)) => {
                was_read(node, session.client(), count);
                Poll::Ready(Ok(Some(buffers)))
            }
        }
    })
    .await
}

/// Counts what was read of a client.
fn was_read(node: &Node, client: &Client, count: usize) {
    let count = u64::try_from(count).unwrap_or_default();
    let block = node.stats.local();
    add(&block.reads, 1);
    add(&block.input_bytes, count);
    client.traffic.reads.add(1);
    client.traffic.input.add(count);
}

/// Notes that a client goes because its requests take too much room.
fn over_query_limit(node: &Node, client: &Client) {
    if let Some(left_out) = node.log.requests.turn(clock::steady()) {
        tracing::warn!(client = %client.addr, left_out, "a client's requests are over their limit; it is let go");
    }
    add(&node.stats.local().query_limit_disconnections, 1);
}

/// Writes all replies. Until they are gone nothing more is run for this client, which bounds what waits for it.
async fn write(
    node: &Node,
    stream: &mut impl Transport,
    session: &Session,
    buffers: &mut Buffers,
) -> io::Result<()> {
    let client = session.client();
    let waiting = buffers.reply.len();
    let bytes = u64::try_from(waiting).unwrap_or(u64::MAX);
    let limit = node.settings.output_limit(client.is_subscriber());
    if limit.is_over(bytes) || buffers.reply.is_over() {
        return Err(let_go(node, client, waiting));
    }
    // What is rarely waited for is boxed: its room would be part of each idle connection.
    if !send_at_once(stream, client, &mut buffers.reply).await? {
        Box::pin(send_waiting(node, stream, session, buffers, limit)).await?;
    }
    let block = node.stats.local();
    add(&block.writes, 1);
    add(&block.output_bytes, bytes);
    Ok(())
}

/// Sends a short reply as far as that needs no waiting; says whether that was all.
async fn send_at_once(
    stream: &mut (impl AsyncWrite + Unpin),
    client: &Client,
    reply: &mut Reply,
) -> io::Result<bool> {
    poll_fn(|context| {
        let piece = reply.chunk();
        if piece.len() != reply.len() || piece.len() > SEND_BYTES_MAX {
            return Poll::Ready(Ok(false));
        }
        let Poll::Ready(sent) = pin!(stream.write(piece)).poll(context) else {
            return Poll::Ready(Ok(false));
        };
        let sent = sent?;
        client.traffic.output.add(u64::try_from(sent).unwrap_or_default());
        reply.advance(sent);
        if !reply.is_empty() {
            return Poll::Ready(Ok(false));
        }
        client.waits_for(reply);
        // TLS may still hold some of it.
        match pin!(stream.flush()).poll(context) {
            Poll::Pending => Poll::Ready(Ok(false)),
            Poll::Ready(flushed) => Poll::Ready(flushed.map(|()| true)),
        }
    })
    .await
}

/// Sends what is left, however long that takes; reads on meanwhile.
async fn send_waiting(
    node: &Node,
    stream: &mut impl Transport,
    session: &Session,
    buffers: &mut Buffers,
    limit: OutputLimit,
) -> io::Result<()> {
    let client = session.client();
    let Buffers { input, start, reply, .. } = buffers;
    let mut ahead = Ahead { node, session, input, start, is_over: false };
    let mut meanwhile = |stream: &mut _, context: &mut Context<'_>, left| ahead.read(stream, context, left);
    if let Some(patience) = limit.patience(u64::try_from(reply.len()).unwrap_or(u64::MAX)) {
        let sent = tokio::time::timeout(patience, send(stream, client, reply, &mut meanwhile)).await;
        // What was sent in time is out of the buffer.
        let left = reply.len();
        match sent {
            Ok(sent) => sent?,
            Err(_) if limit.patience(u64::try_from(left).unwrap_or(u64::MAX)).is_some() => {
                return Err(let_go(node, client, left));
            }
            Err(_) => {}
        }
    }
    send(stream, client, reply, &mut meanwhile).await
}

/// The requests that a client sends while it does not take its replies. Many clients read nothing before they have sent
/// a whole pipeline: were theirs left in the kernel's buffers, both sides would wait for each other without an end.
struct Ahead<'a> {
    node: &'a Node,
    session: &'a Session,
    input: &'a mut Vec<u8>,
    start: &'a mut usize,
    /// There is nothing more to be read; the next read after this write finds that out by itself.
    is_over: bool,
}

impl Ahead<'_> {
    /// Reads what there is.
    fn read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
        left: usize,
    ) -> io::Result<()> {
        let client = self.session.client();
        if !self.session.is_authenticated() && !self.node.acl.admits_strangers() {
            // No room is kept for who has not said who it is.
            return Err(let_go(self.node, client, left));
        }
        while !self.is_over {
            let waiting = self.input.len() - *self.start;
            if self.node.settings.is_over_query_limit(waiting + self.session.queued_bytes()) {
                over_query_limit(self.node, client);
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            // What is done with goes now and then: it moves what waits, at most as often as that has doubled.
            if *self.start > waiting {
                self.input.drain(..*self.start);
                *self.start = 0;
            }
            self.input.reserve(READ_BYTES);
            match pin!(stream.read_buf(&mut *self.input)).poll(context) {
                Poll::Pending => break,
                Poll::Ready(Ok(0) | Err(_)) => self.is_over = true,
                Poll::Ready(Ok(count)) => was_read(self.node, client, count),
            }
        }
        let waiting = self.input.len() - *self.start;
        client.input_room.store(if waiting == 0 { 0 } else { self.input.capacity() }, Relaxed);
        client.input_bytes.store(waiting, Relaxed);
        Ok(())
    }
}

/// Sends all there is, and gives others their turn now and then; what was sent is out of `reply` whenever this is
/// dropped. While the client takes nothing, `meanwhile` is done, which is told how much is left.
async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    client: &Client,
    reply: &mut Reply,
    mut meanwhile: impl FnMut(&mut S, &mut Context<'_>, usize) -> io::Result<()>,
) -> io::Result<()> {
    if reply.len() > READ_BYTES {
        client.waits_for(reply);
    }
    while !reply.is_empty() {
        let sent = poll_fn(|context| {
            let piece = reply.chunk();
            let most = piece.len().min(SEND_BYTES_MAX);
            // Made anew at each poll: they hold nothing between two.
            let sent = if most == SEND_BYTES_MAX || most == reply.len() {
                // The usual reply is one piece: a plain send is cheaper than a gathering one.
                let sent = pin!(stream.write(piece.get(..most).unwrap_or_default())).poll(context);
                if let Poll::Ready(Ok(sent)) = sent {
                    reply.advance(sent);
                }
                sent
            } else {
                let mut pieces = Buf::take(&mut *reply, SEND_BYTES_MAX);
                pin!(stream.write_buf(&mut pieces)).poll(context)
            };
            if sent.is_pending() {
                meanwhile(stream, context, reply.len())?;
            }
            sent
        })
        .await?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        client.traffic.output.add(u64::try_from(sent).unwrap_or_default());
        if !reply.is_empty() {
            client.waits_for(reply);
            tokio::task::yield_now().await;
        }
    }
    client.waits_for(reply);
    // TLS may still hold some of it.
    poll_fn(|context| {
        let flushed = pin!(stream.flush()).poll(context);
        if flushed.is_pending() {
            meanwhile(stream, context, 0)?;
        }
        flushed
    })
    .await
}

/// Notes that a client goes because it does not read; unless that was noted for what it is sent unasked.
fn let_go(node: &Node, client: &Client, bytes: usize) -> io::Error {
    if client.outbox_if_any().is_some_and(|outbox| !outbox.close()) {
        return io::ErrorKind::OutOfMemory.into();
    }
    if let Some(left_out) = node.log.output.turn(clock::steady()) {
        tracing::warn!(client = %client.addr, bytes, left_out, "a client's output is over its limit; it is let go");
    }
    add(&node.stats.local().output_limit_disconnections, 1);
    io::ErrorKind::OutOfMemory.into()
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;

    use super::*;
    use crate::address::Address;
    use crate::clients::Clients;

    #[test]
    fn a_long_reply_leaves_turns_to_the_other_connections() {
        let mut reply = Reply::default();
        reply.bulk(&[b'x'; 5 * SEND_BYTES_MAX]);
        reply.bulk_shared(Bytes::from(vec![b'y'; 5 * SEND_BYTES_MAX]));
        reply.bulk(b"short");
        let whole = reply.to_vec();
        let mut sent = Vec::new();
        let nowhere = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let clients = Arc::new(Clients::default());
        let registered = clients.register(nowhere.clone(), nowhere, 0, crate::clock::steady());
        {
            // It takes whatever it is given, as the socket of a client that reads does.
            let mut sending = pin!(send(&mut sent, &registered.client, &mut reply, |_, _, _| Ok(())));
            let mut turns = 0;
            while sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                turns += 1;
            }
            assert!(turns >= 10, "{turns}");
        }
        assert!(sent == whole && reply.is_empty());
        assert_eq!(registered.client.traffic.output.get(), whole.len() as u64);
    }

    fn size_of_task<F>(_: fn(Arc<Node>, TcpStream, Session, Place) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn ten_thousand_idle_connections_are_small() {
        let (task, client) = (size_of_task(serve_here), size_of::<Client>());
        assert!(task <= 640 && client <= 272, "a connection's task takes {task} bytes, its entry {client}");
    }
}
