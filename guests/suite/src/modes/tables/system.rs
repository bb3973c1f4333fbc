//! Instructions that a mode does not have, may not execute, or traps by.

use super::super::model::{CF, DF, Input, OF, STATUS, register::*};

/// In ECX stands the number of an MSR that exists; DX is a port.
pub(crate) const INPUTS: [Input; 2] = [
    Input { general: [0x1234_5678, 0x10, 0x0070, 0, 0xe000, 5, 0x5000, 0x5004], flags: 0 },
    Input { general: [0x0000_1000, 0x10, 0x0070, 0, 0xe000, 5, 0x5000, 0x5004], flags: OF | CF | DF },
];

// SDM vol. 2, "UD—Undefined Instruction", "LOCK—Assert LOCK# Signal Prefix", "MOV—Move"; LES, LDS and BOUND with a
// register are no VEX or EVEX prefix outside of protected mode, and in it only with CR4.OSXSAVE, which is clear.
table! { UD:
    "ud2" = "ud2" => |m| m.raise(6),
    "UD1" = ".byte 0x0f, 0xb9, 0x07" => |m| m.raise(6),
}

table! { UNDEFINED:
    "MOV to CS" = ".byte 0x8e, 0xc8" => |m| m.raise(6),
    "MOV from segment register 6" = ".byte 0x8c, 0xf0" => |m| m.raise(6),
    "LOCK MOV" = ".byte 0xf0, 0x89, 0x07" => |m| m.raise(6),
    "LOCK ADD to a register" = ".byte 0xf0, 0x01, 0xc8" => |m| m.raise(6),
    "LOCK CMP to memory" = ".byte 0xf0, 0x39, 0x07" => |m| m.raise(6),
    "LEA of a register" = ".byte 0x8d, 0xc0" => |m| m.raise(6),
    "LSS of a register" = ".byte 0x0f, 0xb2, 0xc0" => |m| m.raise(6),
    "opcode FEH /7" = ".byte 0xfe, 0xf8" => |m| m.raise(6),
    "opcode FFH /7" = ".byte 0xff, 0xf8" => |m| m.raise(6),
    "far CALL of a register" = ".byte 0xff, 0xd8" => |m| m.raise(6),
    "BT /0" = ".byte 0x0f, 0xba, 0xc0, 1" => |m| m.raise(6),
}

// SDM vol. 2: the page of each instruction, "Real-Address Mode Exceptions" and "Virtual-8086 Mode Exceptions".
table! { PROTECTED_ONLY:
    "sldt ax" = "sldt ax" => |m| m.raise(6),
    "sldt [si]" = "sldt [si]" => |m| m.raise(6),
    "str ax" = "str ax" => |m| m.raise(6),
    "lldt ax" = "lldt ax" => |m| m.raise(6),
    "ltr ax" = "ltr ax" => |m| m.raise(6),
}

table! { VERIFY:
    "verr ax" = "verr ax" => |m| m.raise(6),
    "verw ax" = "verw ax" => |m| m.raise(6),
}

table! { RIGHTS:
    "lar ax, cx" = "lar ax, cx" => |m| m.raise(6),
    "lar eax, ecx" = "lar eax, ecx" => |m| m.raise(6),
    "lsl ax, cx" = "lsl ax, cx" => |m| m.raise(6),
    "lsl eax, [si]" = "lsl eax, [si]" => |m| m.raise(6),
}

table! { ARPL:
    "ARPL AX, CX" = ".byte 0x63, 0xc8" => |m| m.raise(6),
    "ARPL [SI], CX" = ".byte 0x63, 0x0c" => |m| m.raise(6),
}

table! { POINTERS:
    "LES of a register" = ".byte 0xc4, 0xc0" => |m| m.raise(6),
    "LDS of a register" = ".byte 0xc5, 0xc0" => |m| m.raise(6),
    "BOUND of a register" = ".byte 0x62, 0xc0" => |m| m.raise(6),
}

// SDM vol. 3A, "Privileged Instructions"; virtual-8086 mode is CPL 3.
table! { PRIVILEGED:
    "hlt; nop" => |m| m.raise(13),
    "clts" => |m| m.raise(13),
    "lmsw ax" => |m| m.raise(13),
    "lgdt [si]" => |m| m.raise(13),
    "lidt [si]" => |m| m.raise(13),
    "invd" => |m| m.raise(13),
    "wbinvd" => |m| m.raise(13),
    "invlpg [si]" => |m| m.raise(13),
    "mov eax, cr0" => |m| m.raise(13),
    "mov cr0, eax" => |m| m.raise(13),
    "mov eax, cr3" => |m| m.raise(13),
    "mov cr4, eax" => |m| m.raise(13),
    "mov eax, dr7" => |m| m.raise(13),
    "mov dr0, eax" => |m| m.raise(13),
    "rdmsr" => |m| m.raise(13),
    "wrmsr" => |m| m.raise(13),
    "sysexit" => |m| m.raise(13),
}

// SDM vol. 2, "BOUND—Check Array Index Against Bounds": at [SI + 6] stand the bounds 1122H and 7788H, at [SI + 4]
// 11223344H and 55667788H.
table! { BOUNDS:
    "bound ax, [si + 6]" => |m| if !(0x1122..=0x7788).contains(&m.get(2, EAX)) { m.raise(5) },
    "bound eax, [si + 4]" => |m| if !(0x1122_3344..=0x5566_7788).contains(&m.get(4, EAX)) { m.raise(5) },
    "bound dx, [si + 6]" => |m| m.raise(5),
}

// SDM vol. 2, "INT n/INTO/INT3/INT1—Call to Interrupt Procedure".
table! { BREAKPOINT:
    "int3" => |m| m.trap(3, 1),
}

table! { OVERFLOW:
    "INTO" = ".byte 0xce" => |m| if m.flag(OF) { m.trap(4, 1) },
}

// SDM vol. 3A, "Instruction Set": sensitive to IOPL in virtual-8086 mode.
table! { SENSITIVE:
    "cli" = "cli" => |m| m.raise(13),
    "sti" = "sti" => |m| m.raise(13),
    "pushf" = "pushf" => |m| m.raise(13),
    "pushfd" = "pushfd" => |m| m.raise(13),
    "popf" = "popf" => |m| m.raise(13),
    "popfd" = "popfd" => |m| m.raise(13),
    "int 32" = "int 32" => |m| m.raise(13),
    "int 3 of two bytes" = ".byte 0xcd, 3" => |m| m.raise(13),
    "iret" = "iret" => |m| m.raise(13),
    "iretd" = "iretd" => |m| m.raise(13),
}

// The same section: what is not sensitive to IOPL there.
table! { NOT_SENSITIVE:
    "nop" => |_| (),
    "cld" => |m| m.set_flag(DF, false),
    "lahf" => |m| m.set(1, AH, m.flags & 0xd5 | 2),
    "smsw cx; xor cx, cx" => |m| { let value = m.logic(2, 0); m.set(2, ECX, value) },
    "mov cx, ds; mov ds, cx; xor cx, cx" => |m| { let value = m.logic(2, 0); m.set(2, ECX, value) },
}

/// IF stays clear, because a board may have interrupts pending.
pub(crate) const INPUTS_IOPL: [Input; 1] = [Input { general: [1, 2, 3, 4, 0xe000, 5, 0x5000, 0x5004], flags: STATUS }];

// With IOPL 3, in virtual-8086 mode: EFLAGS as it is pushed has IOPL in it, and neither VM nor RF.
table! { WITH_IOPL_3:
    "cli" = "cli" => |_| (),
    "sti; cli" = "sti; cli" => |_| (),
    "pushf" = "pushf" => |m| m.push(2, m.flags | 0x3002),
    "pushfd" = "pushfd" => |m| m.push(4, m.flags | 0x3002),
    "pushf; xor ax, ax; popf" = "pushf; xor ax, ax; popf" =>
        |m| { m.push(2, m.flags | 0x3002); m.set(2, EAX, 0); m.pop(2); },
    "pushfd; xor ax, ax; popfd" = "pushfd; xor ax, ax; popfd" =>
        |m| { m.push(4, m.flags | 0x3002); m.set(2, EAX, 0); m.pop(4); },
    "POPF that would clear IOPL" = "push 2; popf; pushf" =>
        |m| { m.push(2, 2); m.pop(2); m.flags = 0; m.push(2, 0x3002) },
    "INT 32 through the IDT" = "int 32" => |m| m.trap(32, 2),
    "INT 3 of two bytes through the IDT" = ".byte 0xcd, 3" => |m| m.trap(3, 2),
}
