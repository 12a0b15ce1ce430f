//! A cell whose content is only exchanged while the gate is closed, and read without a lock.
//!
//! Owns one box at a time. Never frees what it held: that goes to the token's holder, who may still have borrowed
//! from it, and who lets it go with the token.
//!
//! # Why reading is sound
//! [`Guarded::get`] lends the content for as long as an [`Access`] of the same gate lives: a reader's slot is
//! occupied, or the token is held, all that time. The content is replaced through a [`Closed`] of that gate only.
//! While that exists no slot is occupied, so no reader has borrowed anything; and what the token's holder has
//! borrowed stays valid, because the old box is put in the holder's own [`Retired`] list, which is emptied after
//! the last borrow from the holder has ended.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::gate::{Access, Closed, Gate};

/// See the module.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    content: AtomicPtr<T>,
    gate: Arc<Gate>,
    // The pointer alone would let any content cross threads.
    owned: PhantomData<T>,
}

/// What was taken out of cells while the token is held; `T` is whatever its owner frees.
#[derive(Debug)]
pub(crate) struct Retired<T>(RefCell<Vec<Box<T>>>);

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Retired(RefCell::new(Vec::new()))
    }
}

impl<T> Retired<T> {
    /// Everything that was retired. `&mut` because nothing may be borrowed from it any more: the list lives in
    /// the token's holder, from whom every such borrow comes.
    pub(crate) fn take(&mut self) -> Vec<Box<T>> {
        std::mem::take(self.0.get_mut())
    }
}

impl<T> Guarded<T> {
    pub(crate) fn new(gate: &Arc<Gate>, content: Option<Box<T>>) -> Guarded<T> {
        Guarded {
            content: AtomicPtr::new(content.map_or(ptr::null_mut(), Box::into_raw)),
            gate: Arc::clone(gate),
            owned: PhantomData,
        }
    }

    /// Looks at the content, if there is any.
    #[inline]
    pub(crate) fn get<'a>(&'a self, access: Access<'a>) -> Option<&'a T> {
        assert!(access.is_for(Arc::as_ptr(&self.gate)), "an access is used on its own store");
        // SAFETY: see the module. The pointer is null or from `Box::into_raw`.
        unsafe { self.content.load(Ordering::Acquire).as_ref() }
    }

    /// Fills an empty cell; the token is held (`access` is its holder's), so nobody else does. Readers may be
    /// inside: they see the cell empty or full.
    pub(crate) fn fill<'a>(&'a self, access: Access<'a>, content: Box<T>) -> &'a T {
        let raw = Box::into_raw(content);
        let filled = self.content.compare_exchange(ptr::null_mut(), raw, Ordering::AcqRel, Ordering::Acquire);
        if filled.is_err() {
            // SAFETY: the box did not go into the cell.
            drop(unsafe { Box::from_raw(raw) });
        }
        self.get(access).expect("the cell is full now")
    }

    /// Exchanges the content; the old one goes to `retired`, which must be the token holder's own.
    pub(crate) fn replace(&self, closed: &Closed<'_>, content: Option<Box<T>>, retired: &Retired<T>) {
        assert!(closed.is_of(Arc::as_ptr(&self.gate)), "a gate is closed for its own store");
        let raw = content.map_or(ptr::null_mut(), Box::into_raw);
        let old = self.content.swap(raw, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: every pointer in the cell is from `Box::into_raw`; the cell has another one now.
            retired.0.borrow_mut().push(unsafe { Box::from_raw(old) });
        }
    }

    /// Exchanges the contents of two cells.
    pub(crate) fn swap(&self, closed: &Closed<'_>, other: &Guarded<T>) {
        assert!(closed.is_of(Arc::as_ptr(&self.gate)), "a gate is closed for its own store");
        let mine = self.content.load(Ordering::Acquire);
        let others = other.content.swap(mine, Ordering::AcqRel);
        self.content.store(others, Ordering::Release);
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        let raw = *self.content.get_mut();
        if !raw.is_null() {
            // SAFETY: as in `replace`; `&mut self` says that nothing is borrowed.
            drop(unsafe { Box::from_raw(raw) });
        }
    }
}
