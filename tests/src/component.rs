//! Components as somebody might tamper with them: with another manifest, or with none.

use openhub_model::manifest::MANIFEST_SECTION;

/// Magic number and version of any WebAssembly binary.
const HEADER: usize = 8;
const CUSTOM: u8 = 0;

/// A component that has nothing in it.
pub fn empty() -> Vec<u8> {
    b"\0asm\x0d\0\x01\0".to_vec()
}

/// The component without its manifest.
pub fn without_manifest(component: &[u8]) -> Vec<u8> {
    let mut kept = component[..HEADER].to_vec();
    let mut rest = &component[HEADER..];
    while let Some((&id, after)) = rest.split_first() {
        let (size, length) = number(after);
        let end = 1 + length + size;
        let (name_size, name_length) = number(&after[length..]);
        let name = &after[length + name_length..][..name_size.min(size - name_length)];
        if id != CUSTOM || name != MANIFEST_SECTION.as_bytes() {
            kept.extend_from_slice(&rest[..end]);
        }
        rest = &rest[end..];
    }
    kept
}

/// The component with `manifest` appended, whatever is in it already.
pub fn with_manifest(mut component: Vec<u8>, manifest: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    push(&mut payload, MANIFEST_SECTION.len());
    payload.extend_from_slice(MANIFEST_SECTION.as_bytes());
    payload.extend_from_slice(manifest);
    component.push(CUSTOM);
    push(&mut component, payload.len());
    component.extend_from_slice(&payload);
    component
}

/// The component with a core module more, which nothing uses: functions of so many additions each.
pub fn with_work(mut component: Vec<u8>, functions: usize, additions: usize) -> Vec<u8> {
    const CORE_MODULE: u8 = 1;
    let mut body = vec![0, 0x20, 0];
    for _ in 0..additions {
        // local.get 0, i32.load offset=0, i32.add
        body.extend([0x20, 0, 0x28, 2, 0, 0x6a]);
    }
    body.push(0x0b);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    let types = [1, 0x60, 1, 0x7f, 1, 0x7f].to_vec();
    let mut declared = Vec::new();
    push(&mut declared, functions);
    declared.resize(declared.len() + functions, 0);
    let memory = vec![1, 0, 1];
    let mut code = Vec::new();
    push(&mut code, functions);
    for _ in 0..functions {
        push(&mut code, body.len());
        code.extend_from_slice(&body);
    }
    for (id, section) in [(1, types), (3, declared), (5, memory), (10, code)] {
        module.push(id);
        push(&mut module, section.len());
        module.extend(section);
    }
    component.push(CORE_MODULE);
    push(&mut component, module.len());
    component.extend(module);
    component
}

/// LEB128: the number, and how many bytes it takes.
fn number(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (value, index + 1);
        }
    }
    (value, 1)
}

fn push(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
