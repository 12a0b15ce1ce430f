//! Which slot of which gate is the calling thread's.
//!
//! Owns the thread's own list. Never looks into a slot of another thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::gate::{Gate, ThreadSlot};

thread_local! {
    /// One place for each store this thread has read from; one, in nearly every program.
    static SLOTS: RefCell<Vec<Rc<ThreadSlot>>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread's slot in this gate, made at the first call.
pub(crate) fn slot_in(gate: &Arc<Gate>) -> Rc<ThreadSlot> {
    SLOTS.with_borrow_mut(|slots| {
        if let Some(slot) = slots.iter().find(|slot| slot.is_of(gate)) {
            return Rc::clone(slot);
        }
        slots.retain(|slot| slot.has_gate());
        let slot = Rc::new(Gate::register(gate));
        slots.push(Rc::clone(&slot));
        slot
    })
}

/// Whether the calling thread is inside this gate.
pub(crate) fn is_inside(gate: &Gate) -> bool {
    SLOTS.with_borrow(|slots| slots.iter().any(|slot| slot.is_of(gate) && slot.is_inside()))
}
