//! Which commands are allowed: a bit for each row of the table, and the rules that led there.
//!
//! Owns both, for the bits decide and the rules are what is shown. Never looks at a request.

use std::collections::BTreeMap;

use ::commands::table::{self, COMMANDS};
use ::commands::{Category, Command};

use super::rule::RuleError;

/// Words of the bit set.
const WORDS: usize = table::COUNT.div_ceil(64);

/// Some of all commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedCommands {
    bits: [u64; WORDS],
    /// Whether they were all allowed, the ones to come included, before the rules below took some.
    all_first: bool,
    /// What was allowed and taken since, in order; of each command or category the last word stands.
    rules: Vec<(Sign, String)>,
    /// Commands that are allowed with one of these first arguments alone.
    first_args: BTreeMap<u16, Vec<Box<[u8]>>>,
}

/// Whether a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

impl AllowedCommands {
    /// None of them.
    pub(crate) fn none() -> Self {
        AllowedCommands { bits: [0; WORDS], all_first: false, rules: Vec::new(), first_args: BTreeMap::new() }
    }

    /// All of them.
    pub(crate) fn all() -> Self {
        let mut all = AllowedCommands { all_first: true, ..AllowedCommands::none() };
        for command in COMMANDS {
            all.set(command, Sign::Plus);
        }
        all
    }

    /// Whether nothing was ever taken.
    pub(crate) fn is_all(&self) -> bool {
        self.all_first && COMMANDS.iter().all(|command| self.has(command))
    }

    /// Whether the command is allowed, whatever its arguments.
    #[inline]
    pub(crate) fn has(&self, command: &Command) -> bool {
        let id = usize::from(command.id());
        self.bits.get(id / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    /// Whether the command is allowed with this first argument.
    pub(crate) fn has_with(&self, command: &Command, first: Option<&[u8]>) -> bool {
        self.has(command)
            || first.is_some_and(|first| {
                self.first_args
                    .get(&command.id())
                    .is_some_and(|allowed| allowed.iter().any(|own| own.eq_ignore_ascii_case(first)))
            })
    }

    /// Follows `+name`, `+name|sub`, `+name|first`, `+@category` or the like with `-`; `name` is what follows the sign.
    pub(crate) fn follow(&mut self, sign: Sign, name: &[u8]) -> Result<(), RuleError> {
        if let Some(category) = name.strip_prefix(b"@") {
            if category.eq_ignore_ascii_case(b"all") {
                *self = match sign {
                    Sign::Plus => AllowedCommands::all(),
                    Sign::Minus => AllowedCommands::none(),
                };
                return Ok(());
            }
            let category = Category::find(category).ok_or(RuleError::Unknown)?;
            self.note(sign, name);
            for command in COMMANDS.iter().filter(|command| category.has(command)) {
                self.change(command, sign);
            }
            return Ok(());
        }
        match table::find(name) {
            Some(command) => {
                self.change(command, sign);
                self.note(sign, name);
                Ok(())
            }
            None if sign == Sign::Plus => self.allow_first_arg(name),
            None => Err(RuleError::Unknown),
        }
    }

    /// `+name|first`, where `name` has no subcommands.
    fn allow_first_arg(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let at = rule.iter().rposition(|byte| *byte == b'|').ok_or(RuleError::Unknown)?;
        let (name, first) = rule.split_at_checked(at).ok_or(RuleError::Unknown)?;
        let first = first.get(1..).unwrap_or_default();
        let command = table::find(name).ok_or(RuleError::Unknown)?;
        if command.is_subcommand() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if first.is_empty() {
            return Err(RuleError::Syntax);
        }
        if command.has_subcommands() {
            return Err(RuleError::Unknown);
        }
        let allowed = self.first_args.entry(command.id()).or_default();
        if !allowed.iter().any(|own| own.eq_ignore_ascii_case(first)) {
            allowed.push(first.into());
        }
        self.note(Sign::Plus, rule);
        Ok(())
    }

    /// The command, and its subcommands with it.
    fn change(&mut self, command: &Command, sign: Sign) {
        self.set(command, sign);
        for subcommand in table::subcommands(command) {
            self.set(subcommand, sign);
        }
    }

    fn set(&mut self, command: &Command, sign: Sign) {
        let id = usize::from(command.id());
        if let Some(word) = self.bits.get_mut(id / 64) {
            match sign {
                Sign::Plus => *word |= 1 << (id % 64),
                Sign::Minus => *word &= !(1 << (id % 64)),
            }
        }
        self.first_args.remove(&command.id());
    }

    /// Notes a rule; what was said of the same command before, or of parts of it, is without effect now.
    fn note(&mut self, sign: Sign, name: &[u8]) {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        self.rules.retain(|(_, said)| {
            said.strip_prefix(name.as_str()).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('|'))
        });
        self.rules.push((sign, name));
    }

    /// The rules that make them of nothing.
    pub(crate) fn description(&self) -> String {
        let mut text = String::from(if self.all_first { "+@all" } else { "-@all" });
        for (sign, name) in &self.rules {
            text.push(' ');
            text.push(match sign {
                Sign::Plus => '+',
                Sign::Minus => '-',
            });
            text.push_str(name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(rules: &str) -> Result<AllowedCommands, RuleError> {
        let mut allowed = AllowedCommands::none();
        for rule in rules.split_ascii_whitespace() {
            let (sign, name) = rule.split_at(1);
            let sign = if sign == "+" { Sign::Plus } else { Sign::Minus };
            allowed.follow(sign, name.as_bytes())?;
        }
        Ok(allowed)
    }

    fn find(name: &str) -> &'static Command {
        table::find(name.as_bytes()).unwrap()
    }

    /// From redis-8.10.
    #[test]
    fn the_description_keeps_what_has_effect() {
        for (rules, shown) in [
            ("", "-@all"),
            ("+@all", "+@all"),
            ("+get -@all", "-@all"),
            ("+get|a +get|b -config|get", "-@all +get|a +get|b -config|get"),
            ("+@all -@read +get +get|x -client +client|id", "+@all -@read +get +get|x -client +client|id"),
            ("+client -client|list +client", "-@all +client"),
            ("+client|list +client|id +client", "-@all +client"),
            (
                "+client +@READ +GET +SELECT|Abc +CONFIG|GET",
                "-@all +client +@read +get +select|abc +config|get",
            ),
            ("+@read +get +@read", "-@all +get +@read"),
        ] {
            assert_eq!(follow(rules).unwrap().description(), shown, "{rules}");
        }
    }

    #[test]
    fn the_last_rule_decides() {
        let allowed = follow("+@all -@dangerous +keys -client +client|id +select|0").unwrap();
        for (name, is_allowed) in [
            ("get", true),
            ("keys", true),
            ("flushall", false),
            ("client|id", true),
            ("client|getname", false),
            ("config|get", false),
            ("select", true),
        ] {
            assert_eq!(allowed.has(find(name)), is_allowed, "{name}");
        }
        assert!(!allowed.is_all());
        assert!(follow("+@all").unwrap().is_all());
        assert!(!follow("+@all -get").unwrap().is_all());
    }

    #[test]
    fn a_first_argument_is_allowed_until_the_command_is_decided() {
        let allowed = follow("+select|0 +select|1").unwrap();
        let select = find("select");
        assert!(!allowed.has(select));
        assert!(allowed.has_with(select, Some(b"0")));
        assert!(!allowed.has_with(select, Some(b"2")));
        assert!(!allowed.has_with(select, None));
        assert!(!follow("+select|0 -select").unwrap().has_with(select, Some(b"0")));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (rule, why) in [
            ("+nope", RuleError::Unknown),
            ("+@nope", RuleError::Unknown),
            ("+", RuleError::Unknown),
            ("-", RuleError::Unknown),
            ("+@", RuleError::Unknown),
            ("+@all|x", RuleError::Unknown),
            ("+get|", RuleError::Syntax),
            ("+config|nope", RuleError::Unknown),
            ("+config|get|x", RuleError::FirstArgOfSubcommand),
            ("-get|a", RuleError::Unknown),
            ("-config|nope", RuleError::Unknown),
        ] {
            assert_eq!(follow(rule), Err(why), "{rule}");
        }
    }
}
