//! A page of the documentation, done as it is written: the blocks of a section, one after another, in an empty folder outside of the
//! checkout, with nothing but the binary on the `PATH`.
//!
//! What the first word of a block is, and what comes after it:
//!
//! | block | is |
//! | --- | --- |
//! | `sh` | done in one shell, whose folder and variables stay |
//! | `sh terminal` | done in a terminal of its own: it goes on, and says where it listens |
//! | `sh again` | done again until it prints what comes next |
//! | `text` | what the block before prints: each line, as far as `…` leaves nothing out |
//! | `rust src/voucher.rs`, `toml …`, … | a file |
//! | `rust src/lib.rs last line` | what the last line of a file becomes |
//! | `rust part` | no block to do: it shows a part of something |

use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;
use tokio::process::Command;
use xtask::process::Server;

use crate::hub::programs;
use crate::patience::until;

/// The ports that the page writes, in the order of its terminals. Each stands for one that is free here.
const PORTS: [&str; 2] = ["7400", "7300"];
/// As if nothing of this workspace were there.
const OURS: [&str; 4] = ["CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR", "OPENHUB_BINARY", "RUSTC_WORKSPACE_WRAPPER"];

/// A block of a page.
#[derive(Debug)]
pub struct Block {
    /// Its info string, by words.
    pub info: Vec<String>,
    pub text: String,
    /// Where it begins.
    pub line: usize,
}

impl Block {
    fn is(&self, words: &[&str]) -> bool {
        self.info.iter().map(String::as_str).eq(words.iter().copied())
    }
}

/// The blocks of a page, or of its section with this heading.
pub fn blocks(page: &str, section: Option<&str>) -> Vec<Block> {
    let (mut found, mut open, mut is_in) = (Vec::new(), None::<Block>, section.is_none());
    for (number, line) in (1..).zip(page.lines()) {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take().filter(|_| is_in)),
            (Some(block), None) => block.text.extend([line, "\n"]),
            (None, Some(info)) => {
                let info = info.split_whitespace().map(str::to_owned).collect();
                open = Some(Block { info, text: String::new(), line: number });
            }
            (None, None) => {
                if let (Some(wanted), Some(heading)) = (section, line.strip_prefix("## ")) {
                    is_in = heading == wanted;
                }
            }
        }
    }
    found
}

/// Where the page is done.
pub struct Walk {
    folder: TempDir,
    terminals: Vec<Server>,
    /// What the last shell block printed.
    printed: String,
}

impl Walk {
    pub fn begin() -> Walk {
        let folder = tempfile::Builder::new().prefix("openhub-guide-").tempdir().expect("a temporary folder");
        let bin = folder.path().join("bin");
        std::fs::create_dir_all(&bin).and_then(|()| std::fs::create_dir(folder.path().join("work"))).expect("folders");
        std::os::unix::fs::symlink(&programs().hub, bin.join("openhub")).expect("the binary is installed");
        Walk { folder, terminals: Vec::new(), printed: String::new() }
    }

    /// Where the reader stands, after what was done so far.
    pub fn place(&self) -> PathBuf {
        let place = std::fs::read_to_string(self.folder.path().join("place")).unwrap_or_default();
        self.folder.path().join("work").join(place.trim())
    }

    /// What a reader types, in the shell as the blocks before left it.
    pub fn command(&self, script: &str) -> Command {
        let folder = self.folder.path().display();
        // Variables and folder are kept as the shell itself writes them.
        let script = format!(
            "set -euo pipefail\n[ ! -e {folder}/state ] || . {folder}/state\ncd \"$(cat {folder}/place 2>/dev/null || pwd)\"\n\
             {script}\nexport -p > {folder}/state\npwd > {folder}/place\n"
        );
        self.bare(&script)
    }

    fn bare(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", &self.filled(script)]).current_dir(self.folder.path().join("work")).kill_on_drop(true);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()));
        command.envs([("OPENHUB_LISTEN", "127.0.0.1:0"), ("OPENHUB_WRITE_WAIT_SECONDS", "60")]);
        for name in OURS {
            command.env_remove(name);
        }
        command
    }

    /// The text with the ports of the terminals that run in place of those of the page.
    fn filled(&self, text: &str) -> String {
        let ports = (0..).zip(PORTS).map(|(number, port)| {
            let url = self.terminals.get(number).map(|terminal| terminal.url.as_str());
            (port, url.and_then(|url| url.rsplit(':').next()).unwrap_or("0").to_owned())
        });
        ports.fold(text.to_owned(), |text, (port, actual)| text.replace(port, &actual))
    }

    /// Does it, and answers what it printed to either stream.
    pub async fn shell(&self, script: &str) -> String {
        let output = self.command(script).output().await.expect("there is a shell");
        let told = told(&output);
        assert!(output.status.success(), "{script}\n{told}");
        told
    }

    /// Does one block; `next` is the one behind it.
    pub async fn step(&mut self, block: &Block, next: Option<&Block>) {
        let expected = next.filter(|next| next.is(&["text"]));
        let words: Vec<&str> = block.info.iter().map(String::as_str).collect();
        match words[..] {
            ["sh"] => {
                self.printed = self.shell(&block.text).await;
                if let Some(expected) = expected {
                    let missing = missing(&expected.text, &self.printed);
                    assert_eq!(
                        missing, None,
                        "line {}: this is not printed by\n{}{}",
                        expected.line, block.text, self.printed
                    );
                }
            }
            ["sh", "again"] => {
                let expected = expected.unwrap_or_else(|| panic!("line {}: until what comes?", block.line));
                until(&format!("line {}: {}", expected.line, expected.text), || async {
                    let printed = self.command(&block.text).output().await.expect("there is a shell");
                    missing(&expected.text, &told(&printed)).is_none().then_some(())
                })
                .await;
            }
            ["sh", "terminal"] => {
                let log = self.folder.path().join(format!("terminal-{}.log", self.terminals.len()));
                let mut command = self.bare(&format!("exec {}", block.text));
                let terminal = Server::start(&mut command, &log).await;
                self.terminals.push(terminal.unwrap_or_else(|error| panic!("line {}: {error:#}", block.line)));
            }
            ["text"] => {}
            [_, path] => self.write(path, &self.filled(&block.text)),
            [_, path, "last", "line"] => {
                let text = std::fs::read_to_string(self.place().join(path)).expect("the file is there");
                // A line of the page before may have been several.
                let kept = text.trim_end().rsplit_once('\n').map_or("", |(kept, _)| kept);
                self.write(path, &format!("{kept}\n{}", block.text));
            }
            _ => panic!("line {}: nobody knows what to do with a block of {words:?}", block.line),
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.place().join(path);
        let written =
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).and_then(|()| std::fs::write(&path, text));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Ends what runs.
    pub async fn end(self) {
        for terminal in self.terminals {
            drop(terminal.stop().await);
        }
    }
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

/// The first line of `expected` that no line of `printed` has, with its pieces between `…` in their order.
fn missing<'t>(expected: &'t str, printed: &str) -> Option<&'t str> {
    let has = |line: &str, wanted: &str| {
        let mut pieces = wanted.split('…').map(str::trim).filter(|piece| !piece.is_empty());
        let mut rest = line;
        pieces.all(|piece| match rest.split_once(piece) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    };
    expected.lines().find(|wanted| !printed.lines().any(|line| has(line, wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_section_and_what_they_print() {
        let page = "# A\n```sh\nno\n```\n## B\n```sh again\nyes\n```\n```text\na … c\n```\n## C\n```sh\nno\n```\n";
        let found = blocks(page, Some("B"));
        assert_eq!(found.iter().map(|block| block.info.join(" ")).collect::<Vec<_>>(), ["sh again", "text"]);
        assert_eq!((found[0].text.as_str(), found[0].line), ("yes\n", 6));
        assert_eq!(blocks(page, None).len(), 4);
        assert_eq!(missing(&found[1].text, "x\na b c d\n"), None);
        assert_eq!(missing(&found[1].text, "c b a\n"), Some("a … c"));
    }
}
