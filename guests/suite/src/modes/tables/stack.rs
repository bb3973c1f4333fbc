//! PUSH, POP and their kin: two operand sizes times two widths of the stack pointer.

use super::super::model::{Input, STATUS, register::*};

/// The upper half of ESP is no part of a 16-bit stack pointer and stays.
pub(crate) const INPUTS_NARROW: [Input; 1] = [Input {
    general: [0x1234_5678, 0x9abc_def0, 0x1357_9bdf, 0x2468_ace0, 0x7ffb_e000, 0x5008, 0x5000, 0x5004],
    flags: STATUS,
}];
pub(crate) const INPUTS_WIDE: [Input; 1] = [Input {
    general: [0x1234_5678, 0x9abc_def0, 0x1357_9bdf, 0x2468_ace0, 0xe000, 0x5008, 0x5000, 0x5004],
    flags: STATUS,
}];
/// EBP is that of a frame.
pub(crate) const INPUTS_FRAME: [Input; 1] = [Input { general: [1, 2, 3, 4, 0xe000, 0xe004, 0x5000, 0x5004], flags: 0 }];

table! { STACK:
    "push ax" => |m| m.push(2, m.get(2, EAX)),
    "push eax" => |m| m.push(4, m.get(4, EAX)),
    "push sp" => |m| m.push(2, m.get(2, ESP)),
    "push esp" => |m| m.push(4, m.get(4, ESP)),
    ".byte 0x6a, 0x80" => |m| m.push(m.size(), 0xffff_ff80),
    ".byte 0x66, 0x6a, 0x80" => |m| m.push(m.other_size(), 0xffff_ff80),
    "push word ptr [si + 1]" => |m| m.push(2, m.load(2, 0x5001)),
    "push dword ptr [si + 2]" => |m| m.push(4, m.load(4, 0x5002)),
    "pop ax" => |m| { let value = m.pop(2); m.set(2, EAX, value) },
    "pop eax" => |m| { let value = m.pop(4); m.set(4, EAX, value) },
    "pop word ptr [si + 5]" => |m| { let value = m.pop(2); m.store(2, 0x5005, value) },
    "pop dword ptr [si + 5]" => |m| { let value = m.pop(4); m.store(4, 0x5005, value) },
    "push cx; pop dx" => |m| { m.push(2, m.get(2, ECX)); let value = m.pop(2); m.set(2, EDX, value) },
    "push ecx; pop dx; pop bx" => |m| {
        m.push(4, m.get(4, ECX));
        let (low, high) = (m.pop(2), m.pop(2));
        m.set(2, EDX, low);
        m.set(2, EBX, high);
    },
    "pushaw" => |m| m.pusha(2),
    "pushad" => |m| m.pusha(4),
    "pushaw; xor ebx, ebx; xor esi, esi; popaw" => |m| {
        m.pusha(2);
        m.logic(4, 0);
        m.general[EBX] = 0;
        m.general[ESI] = 0;
        m.popa(2);
    },
    "pushad; xor ebx, ebx; xor esi, esi; popad" => |m| {
        m.pusha(4);
        m.logic(4, 0);
        m.general[EBX] = 0;
        m.general[ESI] = 0;
        m.popa(4);
    },
}

table! { ENTER:
    "enter 8, 0" => |m| m.enter(m.size(), 8, 0),
    ".byte 0x66; enter 8, 0" => |m| m.enter(m.other_size(), 8, 0),
    "enter 0, 32" => |m| m.enter(m.size(), 0, 0),
    "enter 6, 0; leave" => |m| { m.enter(m.size(), 6, 0); m.leave(m.size()) },
}

table! { NESTED:
    "enter 4, 1" => |m| m.enter(m.size(), 4, 1),
    ".byte 0x66; enter 4, 1" => |m| m.enter(m.other_size(), 4, 1),
    "enter 6, 1; leave" => |m| { m.enter(m.size(), 6, 1); m.leave(m.size()) },
}

table! { LEAVE:
    "leave" => |m| m.leave(m.size()),
    ".byte 0x66; leave" => |m| m.leave(m.other_size()),
}
