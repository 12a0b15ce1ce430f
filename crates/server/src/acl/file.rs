//! The file of users (`aclfile`): a line each, as ACL LIST shows it.
//!
//! Owns reading and writing it. Never changes the users in force: a file with one mistake changes nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::rule::{RuleError, join_selectors};
use super::selector::ChannelsAtFirst;
use super::user::User;

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("Error loading ACLs, opening file '{path}': {why}")]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// What is wrong with it, line for line.
    #[error("{0}WARNING: ACL errors detected, no change to the previously active ACL rules was performed")]
    Wrong(String),
}

/// The system's words for an error, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The users of a file; `new` makes one that may do nothing yet.
pub(super) fn parse(
    path: &Path,
    text: &[u8],
    new: impl Fn(&[u8]) -> User,
    channels: ChannelsAtFirst,
) -> Result<BTreeMap<Box<[u8]>, User>, FileError> {
    let mut users = BTreeMap::new();
    let mut wrong = String::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let at = format!("{}:{number}", path.display());
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').map(<[u8]>::trim_ascii).collect();
        let [b"user", name, words @ ..] = words.as_slice() else {
            wrong += &format!("{at} should start with user keyword followed by the username. ");
            continue;
        };
        if users.contains_key(*name) {
            let name = String::from_utf8_lossy(name);
            wrong += &format!("WARNING: Duplicate user '{name}' found on line {number}. ");
            continue;
        }
        let Ok(rules) = join_selectors(words) else {
            wrong += &format!("{at}: Unmatched parenthesis in selector definition.");
            continue;
        };
        let mut user = new(name);
        for rule in &rules {
            match user.following(std::slice::from_ref(rule), channels) {
                Ok(after) => user = after,
                // What names no command can be no password.
                Err((_, why @ RuleError::Unknown)) => {
                    let rule = String::from_utf8_lossy(rule);
                    wrong += &format!("{at}: Error in applying operation '{rule}': {why}. ");
                }
                Err((_, why)) => wrong += &format!("{at}: {why}. "),
            }
        }
        users.insert(user.name.clone(), user);
    }
    if wrong.is_empty() { Ok(users) } else { Err(FileError::Wrong(wrong)) }
}

/// Writes the file so that nobody ever finds half of it, not even after a crash.
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    use io::Write;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".tmp-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What is left of it helps nobody; the reason is the first error's.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use commands::Dialect;

    use super::*;

    fn parsed(text: &str) -> Result<Vec<String>, String> {
        let new = |name: &[u8]| User::new(0, name, ChannelsAtFirst::None);
        parse(Path::new("/users.acl"), text.as_bytes(), new, ChannelsAtFirst::None)
            .map(|users| {
                users
                    .values()
                    .map(|user| String::from_utf8_lossy(&user.line(Dialect::NEWEST)).into_owned())
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn users_are_read_and_written_alike() {
        let text = "# comment\n\n  user b on nopass ~a* (~b* +get)  \r\nuser a off\n";
        let lines = parsed(text).unwrap();
        let wanted = [
            "user a off sanitize-payload resetchannels -@all",
            "user b on nopass sanitize-payload ~a* resetchannels -@all (~b* resetchannels -@all +get)",
        ];
        assert_eq!(lines, wanted);
        assert_eq!(parsed(&lines.join("\n")).unwrap(), wanted);
    }

    /// From redis-8.10.
    #[test]
    fn every_mistake_is_told_with_its_line() {
        const END: &str =
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        for (text, told) in [
            ("\n\n  user a on  \nuser a off\n", "WARNING: Duplicate user 'a' found on line 4. "),
            (
                "foo bar\nuser\n",
                "/users.acl:1 should start with user keyword followed by the username. /users.acl:2 should start with \
                 user keyword followed by the username. ",
            ),
            ("user d \"a\n", "/users.acl:1: Syntax error. "),
            ("user c (~a +get\n", "/users.acl:1: Unmatched parenthesis in selector definition."),
            ("user c (~a nope)\n", "/users.acl:1: Syntax error. "),
            (
                "user b on\nuser c +nope\nuser b nope (+get\n",
                "/users.acl:2: Error in applying operation '+nope': Unknown command or category name in ACL. WARNING: \
                 Duplicate user 'b' found on line 3. ",
            ),
            (
                "user c (+nope)\n",
                "/users.acl:1: Error in applying operation '(+nope)': Unknown command or category name in ACL. ",
            ),
        ] {
            assert_eq!(parsed(text), Err(format!("{told}{END}")), "{text}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("nearside-acl-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("users.acl");
        write(&path, b"user a on\n").unwrap();
        write(&path, b"user b on\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"user b on\n");
        assert!(write(&folder.join("nowhere/users.acl"), b"").is_err());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
