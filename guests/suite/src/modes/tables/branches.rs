//! Conditional branches, loops, calls and returns.

use super::super::model::{CF, Condition, Input, OF, PF, SF, STATUS, ZF, register::*};

const fn input(ecx: u32, flags: u32) -> Input {
    Input { general: [0, ecx, 0, 0, 0xe000, 5, 0x5000, 0x5004], flags }
}

/// Flags that tell every condition from its neighbours, with CX and ECX at the edges of a loop.
pub(crate) const INPUTS: [Input; 6] = [
    input(0x0001_0001, 0),
    input(0x0001_0000, STATUS),
    input(0x0000_0000, SF | PF),
    input(0x0000_0001, OF),
    input(0x0000_0002, CF),
    input(0xffff_0001, ZF | PF | SF),
];
/// One of them, for what does not depend on flags.
pub(crate) const INPUTS_ONE: [Input; 1] = [input(0x0001_0001, 0)];

table! { CONDITIONS:
    "jo 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(0)) { m.set(1, DL, 1) },
    "jno 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(1)) { m.set(1, DL, 1) },
    "jb 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(2)) { m.set(1, DL, 1) },
    "jae 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(3)) { m.set(1, DL, 1) },
    "je 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(4)) { m.set(1, DL, 1) },
    "jne 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(5)) { m.set(1, DL, 1) },
    "jbe 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(6)) { m.set(1, DL, 1) },
    "ja 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(7)) { m.set(1, DL, 1) },
    "js 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(8)) { m.set(1, DL, 1) },
    "jns 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(9)) { m.set(1, DL, 1) },
    "jp 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(10)) { m.set(1, DL, 1) },
    "jnp 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(11)) { m.set(1, DL, 1) },
    "jl 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(12)) { m.set(1, DL, 1) },
    "jge 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(13)) { m.set(1, DL, 1) },
    "jle 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(14)) { m.set(1, DL, 1) },
    "jg 2f; mov dl, 1; 2:" => |m| if !m.holds(Condition(15)) { m.set(1, DL, 1) },
}

table! { LOOPS:
    "loop 2f; mov dl, 1; 2:" => |m| if !m.count_down(m.size()) { m.set(1, DL, 1) },
    ".byte 0x67; loop 2f; mov dl, 1; 2:" => |m| if !m.count_down(m.other_size()) { m.set(1, DL, 1) },
    "loope 2f; mov dl, 1; 2:" => |m| if !m.count_down(m.size()) || !m.flag(ZF) { m.set(1, DL, 1) },
    ".byte 0x67; loope 2f; mov dl, 1; 2:" => |m| if !m.count_down(m.other_size()) || !m.flag(ZF) { m.set(1, DL, 1) },
    "loopne 2f; mov dl, 1; 2:" => |m| if !m.count_down(m.size()) || m.flag(ZF) { m.set(1, DL, 1) },
    ".byte 0x67; loopne 2f; mov dl, 1; 2:" => |m| if !m.count_down(m.other_size()) || m.flag(ZF) { m.set(1, DL, 1) },
    "jcxz 2f; mov dl, 1; 2:" => |m| if m.get(2, ECX) != 0 { m.set(1, DL, 1) },
    "jecxz 2f; mov dl, 1; 2:" => |m| if m.get(4, ECX) != 0 { m.set(1, DL, 1) },
}

table! { CALLS (att_syntax):
    "JMP short" = "jmp 2f; movb $1, %dl; 2:" => |_| (),
    "CALL and RET of 16 bits" =
        "callw 2f; movb $1, %dh; jmp 3f; 2: movw %sp, %bx; retw; 3:" =>
        |m| { m.open_stack(); m.set(1, DH, 1); m.set(2, EBX, m.get(2, ESP).wrapping_sub(2)) },
    "CALL and RET of 32 bits" =
        "calll 2f; movb $1, %dh; jmp 3f; 2: movw %sp, %bx; retl; 3:" =>
        |m| { m.open_stack(); m.set(1, DH, 1); m.set(2, EBX, m.get(2, ESP).wrapping_sub(4)) },
    "RET of 16 bits that frees two bytes" =
        "pushw %cx; callw 2f; movb $1, %dh; jmp 3f; 2: movb $1, %dl; retw $2; 3:" =>
        |m| { m.open_stack(); m.set(2, EDX, 0x0101) },
    "RET of 32 bits that frees two bytes" =
        "pushw %cx; calll 2f; movb $1, %dh; jmp 3f; 2: movb $1, %dl; retl $2; 3:" =>
        |m| { m.open_stack(); m.set(2, EDX, 0x0101) },
    "far RET of 16 bits" =
        "pushw %cs; callw 2f; movb $1, %dh; jmp 3f; 2: movb $1, %dl; lretw; 3:" =>
        |m| { m.open_stack(); m.set(2, EDX, 0x0101) },
    "far RET of 32 bits" =
        "pushl %cs; calll 2f; movb $1, %dh; jmp 3f; 2: movb $1, %dl; lretl; 3:" =>
        |m| { m.open_stack(); m.set(2, EDX, 0x0101) },
    "far RET of 16 bits that frees four bytes" =
        "pushl %ecx; pushw %cs; callw 2f; movb $1, %dh; jmp 3f; 2: movb $1, %dl; lretw $4; 3:" =>
        |m| { m.open_stack(); m.set(2, EDX, 0x0101) },
    "far CALL of 16 bits through memory" =
        "callw 1f; 1: popw %ax; addw $2f - 1b, %ax; movw %ax, (%si); movw %cs, 2(%si); lcallw *(%si); movb $1, %dh; jmp 3f; 2: movb $1, %dl; lretw; 3: movl $0x81828384, (%si)" =>
        |m| { m.open_stack(); m.open_code_address(); m.set(2, EDX, 0x0101) },
    "far CALL of 32 bits through memory" =
        "calll 1f; 1: popl %eax; addl $2f - 1b, %eax; movl %eax, (%si); movw %cs, 4(%si); lcalll *(%si); movb $1, %dh; jmp 3f; 2: movb $1, %dl; lretl; 3: movl $0x81828384, (%si); movl $0x11223344, 4(%si)" =>
        |m| { m.open_stack(); m.open_code_address(); m.set(2, EDX, 0x0101) },
    "far JMP of 16 bits through memory" =
        "callw 1f; 1: popw %ax; addw $2f - 1b, %ax; movw %ax, (%si); movw %cs, 2(%si); ljmpw *(%si); movb $1, %dh; 2: movb $1, %dl; movl $0x81828384, (%si)" =>
        |m| { m.open_stack(); m.open_code_address(); m.set(1, DL, 1) },
    "far JMP of 32 bits through memory" =
        "calll 1f; 1: popl %eax; addl $2f - 1b, %eax; movl %eax, (%si); movw %cs, 4(%si); ljmpl *(%si); movb $1, %dh; 2: movb $1, %dl; movl $0x81828384, (%si); movl $0x11223344, 4(%si)" =>
        |m| { m.open_stack(); m.open_code_address(); m.set(1, DL, 1) },
    "near JMP through a register, 16 bits" =
        "callw 1f; 1: popw %ax; addw $2f - 1b, %ax; jmpw *%ax; movb $1, %dh; 2: movb $1, %dl" =>
        |m| { m.open_stack(); m.open_code_address(); m.set(1, DL, 1) },
    "near CALL through memory, 32 bits" =
        "calll 1f; 1: popl %eax; addl $2f - 1b, %eax; movl %eax, (%si); calll *(%si); movb $1, %dh; jmp 3f; 2: movb $1, %dl; retl; 3: movl $0x81828384, (%si)" =>
        |m| { m.open_stack(); m.open_code_address(); m.set(2, EDX, 0x0101) },
}
