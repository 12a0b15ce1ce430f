//! Scripts, and libraries of functions.

use crate::function;
use crate::spec::ServerCommand as S;
use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("eval", -3, Group::Scripting, "2.6.0", Run::Server(S::Eval))
        .flags(&[
            F::MAY_REPLICATE,
            F::MOVABLEKEYS,
            F::NO_MANDATORY_KEYS,
            F::NOSCRIPT,
            F::SCRIPT_RUNNER,
            F::SKIP_MONITOR,
            F::STALE,
        ])
        .categories(&[C::SCRIPTING])
        .keys(&[KeySpec::new(
            Begin::Index(2),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RW, K::ACCESS, K::UPDATE],
        )]),
    Command::new("evalsha", -3, Group::Scripting, "2.6.0", Run::Server(S::Evalsha))
        .flags(&[
            F::MAY_REPLICATE,
            F::MOVABLEKEYS,
            F::NO_MANDATORY_KEYS,
            F::NOSCRIPT,
            F::SCRIPT_RUNNER,
            F::SKIP_MONITOR,
            F::STALE,
        ])
        .categories(&[C::SCRIPTING])
        .keys(&[KeySpec::new(
            Begin::Index(2),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RW, K::ACCESS, K::UPDATE],
        )]),
    Command::new("eval_ro", -3, Group::Scripting, "7.0.0", Run::Server(S::EvalRo))
        .flags(&[
            F::MOVABLEKEYS,
            F::NO_MANDATORY_KEYS,
            F::NOSCRIPT,
            F::READONLY,
            F::SCRIPT_RUNNER,
            F::SKIP_MONITOR,
            F::STALE,
        ])
        .categories(&[C::SCRIPTING])
        .keys(&[KeySpec::new(
            Begin::Index(2),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("evalsha_ro", -3, Group::Scripting, "7.0.0", Run::Server(S::EvalshaRo))
        .flags(&[
            F::MOVABLEKEYS,
            F::NO_MANDATORY_KEYS,
            F::NOSCRIPT,
            F::READONLY,
            F::SCRIPT_RUNNER,
            F::SKIP_MONITOR,
            F::STALE,
        ])
        .categories(&[C::SCRIPTING])
        .keys(&[KeySpec::new(
            Begin::Index(2),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("script", -2, Group::Scripting, "2.6.0", Run::Container),
    Command::new("script|debug", 3, Group::Scripting, "3.2.0", Run::Server(S::ScriptDebug))
        .flags(&[F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("script|exists", -3, Group::Scripting, "2.6.0", Run::Server(S::ScriptExists))
        .flags(&[F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("script|flush", -2, Group::Scripting, "2.6.0", Run::Server(S::ScriptFlush))
        .flags(&[F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("script|help", 2, Group::Scripting, "5.0.0", Run::Server(S::ScriptHelp))
        .flags(&[F::LOADING, F::STALE])
        .categories(&[C::SCRIPTING]),
    Command::new("script|kill", 2, Group::Scripting, "2.6.0", Run::Server(S::ScriptKill))
        .flags(&[F::ALLOW_BUSY, F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("script|load", 3, Group::Scripting, "2.6.0", Run::Server(S::ScriptLoad))
        .flags(&[F::NOSCRIPT, F::STALE])
        .categories(&[C::SCRIPTING]),
    // Valkey has it.
    Command::new("script|show", 3, Group::Scripting, "8.0.0", Run::Server(S::ScriptShow))
        .flags(&[F::NOSCRIPT, F::STALE])
        .categories(&[C::SCRIPTING]),
    Command::new("fcall", -3, Group::Scripting, "7.0.0", Run::Server(S::Fcall))
        .flags(&[
            F::MAY_REPLICATE,
            F::MOVABLEKEYS,
            F::NO_MANDATORY_KEYS,
            F::NOSCRIPT,
            F::SCRIPT_RUNNER,
            F::SKIP_MONITOR,
            F::STALE,
        ])
        .categories(&[C::SCRIPTING])
        .keys(&[KeySpec::new(
            Begin::Index(2),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RW, K::ACCESS, K::UPDATE],
        )]),
    Command::new("fcall_ro", -3, Group::Scripting, "7.0.0", Run::Server(S::FcallRo))
        .flags(&[
            F::MOVABLEKEYS,
            F::NO_MANDATORY_KEYS,
            F::NOSCRIPT,
            F::READONLY,
            F::SCRIPT_RUNNER,
            F::SKIP_MONITOR,
            F::STALE,
        ])
        .categories(&[C::SCRIPTING])
        .keys(&[KeySpec::new(
            Begin::Index(2),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("function", -2, Group::Scripting, "7.0.0", Run::Container),
    Command::new("function|delete", 3, Group::Scripting, "7.0.0", Run::Server(S::FunctionDelete))
        .flags(&[F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING])
        .noting(function::delete),
    Command::new("function|dump", 2, Group::Scripting, "7.0.0", Run::Read(function::dump))
        .flags(&[F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("function|flush", -2, Group::Scripting, "7.0.0", Run::Server(S::FunctionFlush))
        .flags(&[F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING])
        .noting(function::flush),
    Command::new("function|help", 2, Group::Scripting, "7.0.0", Run::Server(S::FunctionHelp))
        .flags(&[F::LOADING, F::STALE])
        .categories(&[C::SCRIPTING]),
    Command::new("function|kill", 2, Group::Scripting, "7.0.0", Run::Server(S::FunctionKill))
        .flags(&[F::ALLOW_BUSY, F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("function|list", -2, Group::Scripting, "7.0.0", Run::Server(S::FunctionList))
        .flags(&[F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("function|load", -3, Group::Scripting, "7.0.0", Run::Server(S::FunctionLoad))
        .flags(&[F::DENYOOM, F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING])
        .noting(function::load),
    Command::new("function|restore", -3, Group::Scripting, "7.0.0", Run::Server(S::FunctionRestore))
        .flags(&[F::DENYOOM, F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING])
        .noting(function::restore),
    Command::new("function|stats", 2, Group::Scripting, "7.0.0", Run::Server(S::FunctionStats))
        .flags(&[F::ALLOW_BUSY, F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
];
