//! The processor's time that this program has used, as the kernel tells it.
//!
//! Owns the reading of the kernel's lines. Never keeps anything.

/// Of one line, in hundredths of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// In the program itself.
    pub(crate) user: u64,
    /// In the kernel, for it.
    pub(crate) system: u64,
    /// The same of processes that it started, and waited for.
    pub(crate) children_user: u64,
    /// And in the kernel for those.
    pub(crate) children_system: u64,
}

impl Times {
    /// What came to them since `before`.
    pub(crate) fn since(self, before: Times) -> Times {
        Times {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            children_user: self.children_user.saturating_sub(before.children_user),
            children_system: self.children_system.saturating_sub(before.children_system),
        }
    }
}

/// Of all threads together.
pub(crate) fn of_program() -> Times {
    look("/proc/self/stat")
}

/// Of the thread that the program began with.
pub(crate) fn of_main_thread() -> Times {
    // Its number is the program's.
    look(&format!("/proc/self/task/{}/stat", std::process::id()))
}

fn look(file: &str) -> Times {
    parse(&std::fs::read_to_string(file).unwrap_or_default())
}

fn parse(stat: &str) -> Times {
    // The second field is the program's name in brackets, and may hold blanks.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    // Fields 14 to 17, of which the first after the bracket is the third.
    let mut fields = after.split_ascii_whitespace().skip(11).map(|text| text.parse().unwrap_or_default());
    let mut next = || fields.next().unwrap_or_default();
    Times { user: next(), system: next(), children_user: next(), children_system: next() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_moves_nothing() {
        let line = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 31 32 33 34 20 0 9 0 100";
        let times = Times { user: 31, system: 32, children_user: 33, children_system: 34 };
        assert_eq!(parse(line), times);
        assert_eq!(parse(""), Times::default());
    }
}
