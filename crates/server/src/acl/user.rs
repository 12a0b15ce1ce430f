//! A user: passwords, whether it may come in, and selectors.
//!
//! Owns the rules that change one, all or none, and its description. Never knows who is connected.

use std::borrow::Cow;

use commands::Dialect;
use sha2::{Digest, Sha256};

use super::rule::{RuleError, inside_brackets};
use super::selector::{ChannelsAtFirst, Selector};

/// See the module. It never changes: a changed user is another one of the same number.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// Never used twice: who is made anew under an old name is somebody else.
    pub(super) number: u64,
    /// Its name, which may be any bytes but spaces and zeros.
    pub(crate) name: Box<[u8]>,
    /// Whether it may come in.
    is_on: bool,
    /// Any password will do.
    is_open: bool,
    /// Whether what it RESTOREs is checked. (Here it always is.)
    sanitizes: bool,
    passwords: Vec<Hash>,
    /// How many databases there are: a right to another is not asked for.
    databases: u32,
    /// Its own.
    root: Selector,
    /// Those beside it.
    others: Vec<Selector>,
    /// Whether there is nothing that it may not do.
    is_unrestricted: bool,
}

/// SHA-256 of a password.
type Hash = [u8; 32];

/// The name of the user that every connection begins as.
pub(crate) const DEFAULT: &[u8] = b"default";

impl User {
    /// A new one, which may do nothing.
    pub(super) fn new(number: u64, name: &[u8], channels: ChannelsAtFirst) -> Self {
        User {
            number,
            name: name.into(),
            is_on: false,
            is_open: false,
            sanitizes: true,
            passwords: Vec::new(),
            databases: u32::MAX,
            root: Selector::new(channels),
            others: Vec::new(),
            is_unrestricted: false,
        }
    }

    /// The same, of a server that has so many databases.
    #[must_use]
    pub(super) fn among(self, databases: u32) -> Self {
        User { databases, ..self }
    }

    /// Whether there is a database of this number.
    pub(super) fn knows_database(&self, index: u32) -> bool {
        index < self.databases
    }

    /// The user `default` of a server that nobody has configured: it may do everything, without a password.
    pub(super) fn everybody(number: u64) -> Self {
        let mut user = User::new(number, DEFAULT, ChannelsAtFirst::All);
        for rule in ["on", "nopass", "+@all", "~*"] {
            // None of these rules fails, and one that did would leave the user with less.
            let _ = user.follow(rule.as_bytes(), ChannelsAtFirst::All);
        }
        user
    }

    /// Its selectors, its own first.
    pub(super) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// Whether there is nothing that it may not do: then nothing needs to be asked.
    #[inline]
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    /// Whether one is let in as it without saying so.
    pub(super) fn admits_strangers(&self) -> bool {
        self.is_on && self.is_open
    }

    /// Whether any password is its.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether one who says this password is it.
    pub(super) fn admits(&self, password: &[u8]) -> bool {
        let given: Hash = Sha256::digest(password).into();
        // Every password is compared to its end, so that the time tells nothing.
        let mut is_known = false;
        for own in &self.passwords {
            let differ = own.iter().zip(&given).fold(0, |differ, (own, given)| differ | (own ^ given));
            is_known |= differ == 0;
        }
        self.is_on && (self.is_open || is_known)
    }

    /// `requirepass`: the one password of `default`, or none.
    pub(super) fn with_only_password(&self, password: Option<&[u8]>) -> Self {
        let mut user = self.clone();
        user.passwords = password.map(|password| Sha256::digest(password).into()).into_iter().collect();
        user.is_open = password.is_none();
        user
    }

    /// The same user after these rules.
    ///
    /// # Errors
    /// The first rule that is wrong, and why.
    pub(super) fn following<'r>(
        &self,
        rules: &'r [Cow<'_, [u8]>],
        channels: ChannelsAtFirst,
    ) -> Result<Self, (&'r [u8], RuleError)> {
        let mut user = self.clone();
        for rule in rules {
            user.follow(rule, channels).map_err(|why| (&**rule, why))?;
        }
        Ok(user)
    }

    fn follow(&mut self, rule: &[u8], channels: ChannelsAtFirst) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("on") => self.is_on = true,
            _ if is("off") => self.is_on = false,
            _ if is("nopass") => {
                self.is_open = true;
                self.passwords.clear();
            }
            _ if is("resetpass") => {
                self.is_open = false;
                self.passwords.clear();
            }
            _ if is("sanitize-payload") => self.sanitizes = true,
            _ if is("skip-sanitize-payload") => self.sanitizes = false,
            _ if is("clearselectors") => self.others.clear(),
            _ if is("reset") => {
                *self = User::new(self.number, &self.name, channels).among(self.databases);
            }
            [b'>', password @ ..] => self.add_password(Sha256::digest(password).into()),
            [b'#', hash @ ..] => self.add_password(parse_hash(hash)?),
            [b'<', password @ ..] => self.remove_password(Sha256::digest(password).into())?,
            [b'!', hash @ ..] => self.remove_password(parse_hash(hash)?)?,
            [b'(', .., b')'] => {
                let mut selector = Selector::new(channels);
                for rule in inside_brackets(rule).into_iter().flatten() {
                    selector.follow(rule)?;
                }
                self.others.push(selector);
            }
            _ => self.root.follow(rule)?,
        }
        let is_unrestricted = self.selectors().any(Selector::is_everything);
        self.is_unrestricted = is_unrestricted;
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.is_open = false;
    }

    fn remove_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        let before = self.passwords.len();
        self.passwords.retain(|own| *own != hash);
        if self.passwords.len() < before { Ok(()) } else { Err(RuleError::NoSuchPassword) }
    }

    /// Its flags, in the words of such a server.
    pub(crate) fn flags(&self, dialect: Dialect) -> impl Iterator<Item = &'static str> {
        let is_on = if self.is_on { "on" } else { "off" };
        let is_open = self.is_open.then_some("nopass");
        let sanitizes = if self.sanitizes { "sanitize-payload" } else { "skip-sanitize-payload" };
        let sanitizes = (!dialect.has_users_of_databases()).then_some(sanitizes);
        [Some(is_on), is_open, sanitizes].into_iter().flatten()
    }

    /// The hashes of its passwords, as they are shown.
    pub(crate) fn password_hashes(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Its own selector.
    pub(crate) fn root(&self) -> &Selector {
        &self.root
    }

    /// The selectors beside its own.
    pub(crate) fn others(&self) -> &[Selector] {
        &self.others
    }

    /// Whether it may be subscribed to this channel, or pattern of channels.
    pub(crate) fn may_hear(&self, name: &[u8], is_pattern: bool) -> bool {
        self.selectors().any(|selector| selector.allows_channel(name, is_pattern))
    }

    /// The line that makes it, as ACL LIST and the file of users have it.
    pub(crate) fn line(&self, dialect: Dialect) -> Vec<u8> {
        let mut line = [b"user ", &*self.name].concat();
        let mut add = |part: &[u8]| {
            line.push(b' ');
            line.extend_from_slice(part);
        };
        self.flags(dialect).for_each(|flag| add(flag.as_bytes()));
        self.password_hashes().for_each(|hash| add(format!("#{hash}").as_bytes()));
        add(&self.root.describe());
        for selector in &self.others {
            add(&[b"(", &*selector.describe(), b")"].concat());
        }
        line
    }
}

/// Reads a hash as it is shown.
fn parse_hash(text: &[u8]) -> Result<Hash, RuleError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(RuleError::BadHash),
    };
    let mut hash = Hash::default();
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return Err(RuleError::BadHash);
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(rules: &str) -> User {
        let user = User::new(1, b"u", ChannelsAtFirst::None);
        let rules: Vec<Cow<'_, [u8]>> = rules.split(';').map(|rule| rule.as_bytes().into()).collect();
        user.following(&rules, ChannelsAtFirst::None).map_err(|(_, why)| why).unwrap()
    }

    fn error(rules: &str) -> RuleError {
        let user = User::new(1, b"u", ChannelsAtFirst::None);
        let rules: Vec<Cow<'_, [u8]>> = rules.split(';').map(|rule| rule.as_bytes().into()).collect();
        user.following(&rules, ChannelsAtFirst::None).unwrap_err().1
    }

    fn line(user: &User) -> String {
        String::from_utf8(user.line(Dialect::NEWEST)).unwrap()
    }

    /// From redis-8.10.
    #[test]
    fn the_line_is_what_servers_say() {
        const A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        const B: &str = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";
        for (rules, shown) in [
            ("", "user u off sanitize-payload resetchannels -@all".into()),
            ("on;>a;>a;>b", format!("user u on sanitize-payload #{A} #{B} resetchannels -@all")),
            (">a;>b;<a", format!("user u off sanitize-payload #{B} resetchannels -@all")),
            ("nopass;>a", format!("user u off sanitize-payload #{A} resetchannels -@all")),
            (">a;nopass", "user u off nopass sanitize-payload resetchannels -@all".into()),
            ("on;skip-sanitize-payload;RESET", "user u off sanitize-payload resetchannels -@all".into()),
            (
                "~x;(~sel* +get);(+@all ~*)",
                "user u off sanitize-payload ~x resetchannels -@all (~sel* resetchannels -@all +get) \
                 (~* resetchannels +@all)"
                    .into(),
            ),
            (
                "();( )",
                "user u off sanitize-payload resetchannels -@all (resetchannels -@all) (resetchannels -@all)"
                    .into(),
            ),
            ("(~a);clearselectors", "user u off sanitize-payload resetchannels -@all".into()),
        ] {
            assert_eq!(line(&user(rules)), shown, "{rules}");
        }
        assert_eq!(line(&User::everybody(0)), "user default on nopass sanitize-payload ~* &* +@all");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let hash = "a".repeat(64);
        for (rules, why) in [
            ("<x".to_owned(), RuleError::NoSuchPassword),
            ("#abc".to_owned(), RuleError::BadHash),
            ("!abc".to_owned(), RuleError::BadHash),
            (format!("!{hash}"), RuleError::NoSuchPassword),
            (format!("#{}", hash.to_uppercase()), RuleError::BadHash),
            ("(on)".to_owned(), RuleError::Syntax),
            ("(~x nope)".to_owned(), RuleError::Syntax),
        ] {
            assert_eq!(error(&rules), why, "{rules}");
        }
        assert_eq!(user(&format!("#{hash}")).password_hashes().collect::<Vec<_>>(), [hash]);
    }

    #[test]
    fn who_is_let_in() {
        assert!(user("on;nopass").admits(b"anything"));
        assert!(!user("off;nopass").admits(b"anything"));
        assert!(user("on;>a;>b").admits(b"b"));
        assert!(!user("on;>a").admits(b"b"));
        assert!(!user("on").admits(b""));
        assert!(user("on;>").admits(b""));
        assert!(!user("off;>a").admits(b"a"));
    }

    #[test]
    fn nothing_is_asked_of_who_may_do_everything() {
        assert!(User::everybody(0).is_unrestricted());
        for rules in ["+@all;~*;&*", "(+@all ~* &*)", "+@all;~*;resetchannels;&*"] {
            assert!(user(rules).is_unrestricted(), "{rules}");
        }
        for rules in
            ["+@all;~*", "+@all;&*;%R~*", "+@all;-get;~*;&*", "+@all;~*;&*;db=0", "+@all;~*;&*;reset"]
        {
            assert!(!user(rules).is_unrestricted(), "{rules}");
        }
    }
}
