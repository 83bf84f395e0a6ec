//! A small assembler for the EVM: names of instructions, numbers, texts, and places to jump to.
//!
//! `0x…` pushes a number, `'text` pushes a text of up to 32 bytes, `:name` is a place, `@name`
//! pushes it, `#` begins a comment that goes to the end of its line.

use std::collections::BTreeMap;

/// The instructions that are used, as the yellow paper numbers them.
const INSTRUCTIONS: &[(&str, u8)] = &[
    ("add", 0x01),
    ("sub", 0x03),
    ("lt", 0x10),
    ("gt", 0x11),
    ("eq", 0x14),
    ("shr", 0x1c),
    ("keccak256", 0x20),
    ("caller", 0x33),
    ("callvalue", 0x34),
    ("calldataload", 0x35),
    ("codecopy", 0x39),
    ("mstore", 0x52),
    ("sload", 0x54),
    ("sstore", 0x55),
    ("jump", 0x56),
    ("jumpi", 0x57),
    ("dup1", 0x80),
    ("dup2", 0x81),
    ("dup3", 0x82),
    ("dup4", 0x83),
    ("swap1", 0x90),
    ("log3", 0xa3),
    ("return", 0xf3),
    ("revert", 0xfd),
];
const JUMPDEST: u8 = 0x5b;
/// One less than the instruction that pushes one byte.
const PUSH: u8 = 0x5f;

/// The bytes of a program.
///
/// # Panics
/// When the program is not well formed.
pub(super) fn assemble(program: &str) -> Vec<u8> {
    let words = program.lines().map(|line| line.split('#').next().unwrap());
    let words: Vec<&str> = words.flat_map(str::split_whitespace).collect();
    let (mut code, mut places, mut jumps) = (vec![], BTreeMap::new(), vec![]);
    for word in words {
        match word.split_at(1) {
            (":", name) => {
                let twice = places.insert(name, u16::try_from(code.len()).unwrap());
                assert!(twice.is_none(), "{name} is a place twice");
                code.push(JUMPDEST);
            }
            ("@", name) => {
                jumps.push((code.len() + 1, name));
                push(&mut code, &[0, 0]);
            }
            ("'", text) => {
                let mut bytes = [0; 32];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                push(&mut code, &bytes);
            }
            ("0", digits) => {
                push(&mut code, &hex::decode(digits.trim_start_matches('x')).expect(word));
            }
            _ => {
                let known = INSTRUCTIONS.iter().find(|(name, _)| *name == word);
                code.push(known.unwrap_or_else(|| panic!("no instruction {word}")).1);
            }
        }
    }
    for (at, name) in jumps {
        let place: u16 = *places.get(name).unwrap_or_else(|| panic!("no place {name}"));
        code[at..at + 2].copy_from_slice(&place.to_be_bytes());
    }
    code
}

fn push(code: &mut Vec<u8>, bytes: &[u8]) {
    code.push(PUSH + u8::try_from(bytes.len()).unwrap());
    code.extend(bytes);
}
