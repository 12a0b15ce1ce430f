//! A wire that fails on purpose: stands between a master and nearside, and cuts, spoils or holds what the master says.
//!
//! Owns its listening port and the plan for the next connection. Faults are placed by byte, never by time.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What happens to the bytes that the master sends over one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Cut the connection once this many bytes have passed.
    pub cut_at: Option<u64>,
    /// Flip a bit of this byte.
    pub spoil_at: Option<u64>,
}

/// The wire.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    master: u16,
    plan: Mutex<Plan>,
    planned_cuts: AtomicUsize,
    passed: AtomicU64,
    live: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// In front of the server on this port; passes everything on until told otherwise.
    pub fn new(master: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared {
            master,
            plan: Mutex::default(),
            planned_cuts: AtomicUsize::new(0),
            passed: AtomicU64::new(0),
            live: Mutex::default(),
        });
        let ours = shared.clone();
        std::thread::spawn(move || {
            for from_node in listener.incoming().flatten() {
                ours.serve(from_node);
            }
        });
        Proxy { port, shared }
    }
    /// What is to happen to connections made from now on.
    pub fn plan(&self, plan: Plan) {
        *self.shared.plan.lock().expect("unpoisoned") = plan;
    }
    /// Cuts what is connected now.
    pub fn cut(&self) {
        for socket in self.shared.live.lock().expect("unpoisoned").drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
    /// How many connections were cut at their plan's byte.
    pub fn planned_cuts(&self) -> usize {
        self.shared.planned_cuts.load(Ordering::SeqCst)
    }
    /// How many bytes the master has sent through, in all.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, from_node: TcpStream) {
        let Ok(to_master) = TcpStream::connect(("127.0.0.1", self.master)) else {
            let _ = from_node.shutdown(Shutdown::Both);
            return;
        };
        let plan = *self.plan.lock().expect("unpoisoned");
        let mut live = self.live.lock().expect("unpoisoned");
        live.extend([from_node.try_clone(), to_master.try_clone()].into_iter().flatten());
        drop(live);
        let (Ok(node_out), Ok(master_out)) = (from_node.try_clone(), to_master.try_clone()) else { return };
        let shared = self.clone();
        std::thread::spawn(move || {
            if pass(to_master, node_out, plan, &shared.passed) {
                shared.planned_cuts.fetch_add(1, Ordering::SeqCst);
            }
        });
        let none = AtomicU64::new(0);
        std::thread::spawn(move || pass(from_node, master_out, Plan::default(), &none));
    }
}

/// Passes bytes on until one side ends, or the plan says so: then `true`.
fn pass(mut from: TcpStream, mut to: TcpStream, plan: Plan, passed: &AtomicU64) -> bool {
    let mut buffer = vec![0; 16 * 1024];
    let mut at = 0u64;
    let mut planned = false;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut bytes = &mut buffer[..count];
        if let Some(place) = plan.spoil_at.and_then(|place| place.checked_sub(at))
            && let Some(byte) = bytes.get_mut(place as usize)
        {
            *byte ^= 1;
        }
        let room = plan.cut_at.map_or(u64::MAX, |cut| cut.saturating_sub(at));
        let length = bytes.len().min(room.try_into().unwrap_or(usize::MAX));
        bytes = &mut bytes[..length];
        at += length as u64;
        passed.fetch_add(length as u64, Ordering::SeqCst);
        let sent = to.write_all(bytes).is_ok();
        planned = sent && length < count;
        if !sent || planned {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
    planned
}
