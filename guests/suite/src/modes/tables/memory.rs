//! Forms of addresses, absolute addresses and far pointers.
//!
//! Source: SDM vol. 2, "ModR/M and SIB Bytes", "LDS/LES/LFS/LGS/LSS—Load Far Pointer", "XLAT/XLATB—Table Look-up Translation".

use super::super::model::{Input, Machine, register::*};

/// Sums of 16 bits that wrap to the data; what stands above them is no part of an address.
pub(crate) const INPUTS_16: [Input; 1] =
    [Input { general: [0, 1, 2, 0xdead_f000, 0xe000, 0xbeef_f008, 0xcafe_6000, 0xf00d_6004], flags: 0 }];
/// Sums of 32 bits that wrap to the data.
pub(crate) const INPUTS_32: [Input; 1] =
    [Input { general: [0, 2, 0x5000, 0xffff_f000, 0xe000, 0x5004, 0x6000, 0x6008], flags: 0 }];

const fn at_16(m: &mut Machine, base: usize, index: usize) {
    let offset = m.get(2, base).wrapping_add(m.get(2, index)) & 0xffff;
    m.general[EAX] = m.load(4, offset);
}

table! { FORMS_16:
    "mov eax, [bx + si]" => |m| at_16(m, EBX, ESI),
    "mov eax, [bx + di]" => |m| at_16(m, EBX, EDI),
    "mov eax, [bp + si]" => |m| at_16(m, EBP, ESI),
    "mov eax, [bp + di]" => |m| at_16(m, EBP, EDI),
    "mov eax, [bx + si + 4]" => |m| m.general[EAX] = m.load(4, 0x5004),
    "mov eax, [bp + di - 4]" => |m| m.general[EAX] = m.load(4, 0x5008),
    "mov eax, [si - 0x1000]" => |m| m.general[EAX] = m.load(4, 0x5000),
    "mov eax, [di - 0x0ff8]" => |m| m.general[EAX] = m.load(4, 0x500c),
    "mov eax, [bx + 0x6004]" => |m| m.general[EAX] = m.load(4, 0x5004),
    "mov eax, [bp + 0x6001]" => |m| m.general[EAX] = m.load(4, 0x5009),
    "add word ptr [bx + si + 2], -1" => |m| {
        let sum = m.sum(2, m.load(2, 0x5002), 0xffff, false);
        m.store(2, 0x5002, sum);
    },
    "mov byte ptr [bp + si + 7], 0x5a" => |m| m.store(1, 0x500f, 0x5a),
}

table! { FORMS_32:
    "mov eax, [edx]" => |m| m.general[EAX] = m.load(4, 0x5000),
    "mov eax, [ebp]" => |m| m.general[EAX] = m.load(4, 0x5004),
    "mov eax, [edx + 3]" => |m| m.general[EAX] = m.load(4, 0x5003),
    "mov eax, [edx + ecx*4]" => |m| m.general[EAX] = m.load(4, 0x5008),
    "mov eax, [ebp + ecx*4]" => |m| m.general[EAX] = m.load(4, 0x500c),
    "mov eax, [ebx + esi]" => |m| m.general[EAX] = m.load(4, 0x5000),
    "mov eax, [ebx + edi + 2]" => |m| m.general[EAX] = m.load(4, 0x500a),
    "mov eax, [ecx*8 + 0x4ff0]" => |m| m.general[EAX] = m.load(4, 0x5000),
    "mov eax, [esp - 4]; xor eax, eax" => |m| { m.logic(4, 0); m.general[EAX] = 0 },
    "mov eax, [esp + 4]" => |m| m.general[EAX] = m.load(4, 0xe004),
    "mov eax, [esp + ecx*4]" => |m| m.general[EAX] = m.load(4, 0xe008),
    "mov al, [0x5001]" => |m| m.set(1, AL, m.load(1, 0x5001)),
    "mov ax, [0x5003]" => |m| m.set(2, EAX, m.load(2, 0x5003)),
    "mov eax, [0x5005]" => |m| m.general[EAX] = m.load(4, 0x5005),
    "mov [0x5008], edx" => |m| m.store(4, 0x5008, 0x5000),
    "mov ebx, 0x5000; mov al, 5; xlatb" => |m| { m.general[EBX] = 0x5000; m.set(1, AL, m.load(1, 0x5005)) },
    "mov ebx, 0x5000; mov al, 9; .byte 0x67; xlatb" =>
        |m| { m.general[EBX] = 0x5000; m.set(1, AL, m.load(1, 0x5009)) },
}

// Each builds a pointer in the data, loads it, reads by it, and puts the data back.
table! { FAR_POINTERS:
    "mov [edx + 2], ds; les ax, [edx]; mov cx, es:[ebp]; mov dword ptr [edx], 0x81828384" =>
        |m| { m.set(2, EAX, m.load(2, 0x5000)); m.set(2, ECX, m.load(2, 0x5004)) },
    "mov [edx + 8], ds; les eax, [edx + 4]; mov ecx, es:[ebp]; mov dword ptr [edx + 8], 0x55667788" =>
        |m| { m.general[EAX] = m.load(4, 0x5004); m.general[ECX] = m.load(4, 0x5004) },
    "mov [edx + 2], ds; lds ax, [edx]; mov cx, [edx + 4]; mov dword ptr [edx], 0x81828384" =>
        |m| { m.set(2, EAX, m.load(2, 0x5000)); m.set(2, ECX, m.load(2, 0x5004)) },
    "mov [edx + 2], ds; lfs ax, [edx]; mov cx, fs:[ebp]; mov dword ptr [edx], 0x81828384" =>
        |m| { m.set(2, EAX, m.load(2, 0x5000)); m.set(2, ECX, m.load(2, 0x5004)) },
    "mov [edx + 8], ds; lgs eax, [edx + 4]; mov ecx, gs:[ebp]; mov dword ptr [edx + 8], 0x55667788" =>
        |m| { m.general[EAX] = m.load(4, 0x5004); m.general[ECX] = m.load(4, 0x5004) },
}
