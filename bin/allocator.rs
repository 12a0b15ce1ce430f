//! The program's allocator: jemalloc, and its settings.
//!
//! Owns the one string that jemalloc reads before `main`. `_RJEM_MALLOC_CONF` in the environment overrides it.
//!
//! ```text
//! slab_sizes         64 KiB to each slab of small objects. jemalloc's own slabs are as small as fits evenly, one page for
//!                    objects of 128 bytes, and each has 128 bytes of its own data: 4 bytes a key for strings of 100
//! dirty_decay_ms     freed pages go back after 100 ms, not after ten seconds: what a load or a FLUSHALL leaves is not
//!                    kept. (With a second, 5 MB of the spool lay there a second after a load; its CPU is the same.)
//! background_thread  they do so though nobody allocates any more
//! ```
//! Tried and left: `thp:always` (1M strings of 16 + 100 bytes: 196 bytes a key for 167, and no less CPU).

#![allow(unsafe_code)] // naming a symbol that another library looks for

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const OPTIONS: &[u8; 105] =
    b"slab_sizes:1-1024:16,dirty_decay_ms:100,muzzy_decay_ms:0,background_thread:true,max_background_threads:1\0";

// SAFETY: jemalloc declares `const char *_rjem_malloc_conf`, weakly, and reads a string that ends with a zero byte;
// nothing else has this name.
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 105] = OPTIONS;
