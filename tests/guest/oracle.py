# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
"""
What is pinned, as drgn sees it: a debugger that shares no line with pinleak reads the page
structures from /proc/kcore and takes them apart with its own helpers. Debian's kernels come
without the types a debugger wants, so drgn gets them from the kernel's BTF as bpftool prints it.

What the kernel itself tells of a page comes from the kernel: /proc/kpageflags, /proc/kpagecount
and /proc/zoneinfo.
"""
import collections
import json
import os
import re
import struct
import subprocess

import drgn
from drgn.helpers.linux.mm import PageHead, PageTail, compound_order

from harness import read

# The same names and meanings as in a line of `pinleak census --folios`.
Folio = collections.namedtuple("Folio", "pfn pages pins references mappings hugetlb anonymous "
                               "node zone")
Span = collections.namedtuple("Span", "node zone frames")
Block = collections.namedtuple("Block", "path state frames")

BLOCK = 1 << 15  # struct pages read at once, at most
PIN = 1024  # references that one pin of a small folio takes: GUP_PIN_COUNTING_BIAS
KPF_ANON, KPF_COMPOUND_HEAD, KPF_HUGE = 12, 15, 17  # 16 is KPF_COMPOUND_TAIL


# ---- types ----------------------------------------------------------------------------------

class Types:
    """The kernel's types, made for drgn one by one as they are asked for."""

    KINDS = {drgn.TypeKind.STRUCT: "STRUCT", drgn.TypeKind.UNION: "UNION",
             drgn.TypeKind.ENUM: "ENUM", drgn.TypeKind.TYPEDEF: "TYPEDEF",
             drgn.TypeKind.INT: "INT", drgn.TypeKind.BOOL: "INT"}
    QUALIFIERS = {"CONST": drgn.Qualifiers.CONST, "VOLATILE": drgn.Qualifiers.VOLATILE,
                  "RESTRICT": drgn.Qualifiers.RESTRICT}

    def __init__(self, prog):
        dump = subprocess.run(["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "-j"],
                              capture_output=True, check=True)
        self.prog = prog
        self.btf = {t["id"]: t for t in json.loads(dump.stdout)["types"]}
        self.made = {0: prog.void_type()}
        self.named = {}
        self.enumerators = {}
        for t in self.btf.values():
            self.named.setdefault((t["kind"], t["name"]), t["id"])
            if t["kind"] == "ENUM":
                for v in t["values"]:
                    self.enumerators.setdefault(v["name"], (t["id"], v["val"]))

    def find(self, kind, name, _filename):
        number = self.named.get((self.KINDS.get(kind), name))
        return None if number is None else self.type(number)

    def type(self, number):
        if number not in self.made:
            t = self.btf[number]
            make = getattr(self, "make_" + t["kind"].lower(), self.make_qualified)
            self.made[number] = make(t)
        return self.made[number]

    @staticmethod
    def tag(t):
        return None if t["name"] == "(anon)" else t["name"]

    def make_int(self, t):
        if t["encoding"] == "BOOL":
            return self.prog.bool_type(t["name"], t["size"])
        return self.prog.int_type(t["name"], t["size"], t["encoding"] == "SIGNED")

    def make_ptr(self, t):
        return self.prog.pointer_type(self.type(t["type_id"]))

    def make_array(self, t):
        return self.prog.array_type(self.type(t["type_id"]), t["nr_elems"])

    def make_typedef(self, t):
        return self.prog.typedef_type(t["name"], self.type(t["type_id"]))

    def make_qualified(self, t):
        """const, volatile and restrict; what drgn does not know is what it stands for."""
        base = self.type(t["type_id"])
        return base.qualified(base.qualifiers | self.QUALIFIERS.get(t["kind"],
                                                                    drgn.Qualifiers.NONE))

    def make_fwd(self, t):
        make = self.prog.union_type if t["fwd_kind"] == "union" else self.prog.struct_type
        return make(self.tag(t))

    def make_enum(self, t):
        signed = t.get("encoding") == "SIGNED"
        compatible = self.prog.int_type("int" if signed else "unsigned int", t["size"], signed)
        return self.prog.enum_type(self.tag(t), compatible,
                                   [drgn.TypeEnumerator(v["name"], v["val"])
                                    for v in t["values"]])

    def make_func_proto(self, t):
        return self.prog.function_type(
            self.type(t["ret_type_id"]),
            [drgn.TypeParameter(self.type(p["type_id"]), self.tag(p)) for p in t["params"]])

    def make_struct(self, t):
        return self.prog.struct_type(self.tag(t), t["size"], self.members(t))

    def make_union(self, t):
        return self.prog.union_type(self.tag(t), t["size"], self.members(t))

    def members(self, t):
        return [drgn.TypeMember(self.member(m), self.tag(m), m["bits_offset"])
                for m in t["members"]]

    def member(self, m):
        """Only made when drgn looks at it: a struct page leads to half of the kernel."""
        if not m.get("bitfield_size"):
            return lambda: self.type(m["type_id"])
        return lambda: drgn.Object(self.prog, self.type(m["type_id"]),
                                   bit_field_size=m["bitfield_size"])


# ---- the kernel -----------------------------------------------------------------------------

class Kernel:
    """The live kernel, for drgn."""

    VARIABLES = {"max_pfn": "unsigned long", "vmemmap_base": "unsigned long",
                 "zero_pfn": "unsigned long"}

    def __init__(self):
        self.prog = drgn.Program()
        self.prog.set_kernel()
        self.types = Types(self.prog)
        self.symbols = self.read_symbols()
        self.prog.add_type_finder(self.types.find)
        self.prog.add_object_finder(self.find_object)

    def read_symbols(self):
        found = {}
        with open("/proc/kallsyms", encoding="ascii", errors="replace") as f:
            for line in f:
                name = line.split()[2]
                if name in self.VARIABLES:
                    found[name] = int(line.split()[0], 16)
        return found

    def find_object(self, prog, name, flags, _filename):
        if name == "vmemmap":
            return drgn.Object(prog, "struct page *", value=prog["vmemmap_base"].value_())
        if name in self.symbols and flags & drgn.FindObjectFlags.VARIABLE:
            return drgn.Object(prog, self.VARIABLES[name], address=self.symbols[name])
        if name in self.types.enumerators and flags & drgn.FindObjectFlags.CONSTANT:
            number, value = self.types.enumerators[name]
            return drgn.Object(prog, self.types.type(number), value=value)
        return None


class Oracle:
    def __init__(self):
        kernel = Kernel()
        self.prog = prog = kernel.prog
        self.page = prog.type("struct page")
        self.folio = prog.type("struct folio")
        self.size = self.page.size
        self.vmemmap = prog["vmemmap"].value_()
        self.zero_pfn = prog["zero_pfn"].value_()
        head = prog["PG_head"].value_()
        flags = drgn.offsetof(self.page, "flags")
        refs = drgn.offsetof(self.page, "_refcount")
        # Offset of a byte, and a table that makes it 0 when it does not tell of pins. Bits 10 and
        # more of the count of references, its sign too; and the mark of a compound page's head.
        self.telltales = [
            (flags + head // 8, bytes(b >> head % 8 & 1 for b in range(256))),
            (refs + 1, bytes(b >= PIN >> 8 for b in range(256))),
            (refs + 2, bytes(b > 0 for b in range(256))),
            (refs + 3, bytes(b > 0 for b in range(256)))]

    @property
    def max_pfn(self):
        """It grows when memory is plugged in."""
        return self.prog["max_pfn"].value_()

    # -- which pages to look at: all that may be pinned, and more

    def candidates(self):
        """Page frames with a thousand references, and all heads of compound pages."""
        end = self.max_pfn
        for block in blocks():
            if block.state == "offline":
                continue  # nobody keeps these page structures: pfn_to_online_page()
            for pfn in range(block.frames[0], min(block.frames[-1] + 1, end), BLOCK):
                yield from self.candidates_in(pfn, min(BLOCK, block.frames[-1] + 1 - pfn,
                                                       end - pfn))

    def candidates_in(self, pfn, number):
        block = self.prog.read(self.vmemmap + pfn * self.size, number * self.size)
        marks = 0
        for at, telling in self.telltales:
            marks |= int.from_bytes(block[at::self.size].translate(telling), "little")
        return [pfn + m.start() for m in re.finditer(rb"[^\0]", marks.to_bytes(number, "little"))]

    # -- what drgn finds there

    def order(self, page):
        """drgn's compound_order() knows kernels until 6.5; later ones keep it in _flags_1."""
        if self.page.has_member("compound_order"):
            return compound_order(page).value_()
        return drgn.cast("struct folio *", page)._flags_1.value_() & 0xff

    def look(self, pfn):
        """The folio that begins at a page frame when it is pinned, else None."""
        page = drgn.Object(self.prog, "struct page *", value=self.vmemmap + pfn * self.size)
        if PageTail(page):
            return None
        refs = page._refcount.counter.value_()
        maps = max(page._mapcount.counter.value_() + 1, 0)
        if PageHead(page):
            folio = drgn.cast("struct folio *", page)
            pins, pages = folio._pincount.counter.value_(), 1 << self.order(page)
        else:
            pins, pages = (refs - maps) // PIN, 1
        return self.folio_of(pfn, pages, pins, refs) if pins > 0 else None

    # -- what the kernel tells of it

    def folio_of(self, pfn, pages, pins, refs):
        flags = word("/proc/kpageflags", pfn)
        assert_extent(pfn, pages)
        maps = word("/proc/kpagecount", pfn) if pages == 1 else None
        node, zone = next((s.node, s.zone) for s in self.spans if pfn in s.frames)
        return Folio(pfn, pages, pins, refs, maps, bool(flags >> KPF_HUGE & 1),
                     bool(flags >> KPF_ANON & 1), node, zone)

    def pinned(self):
        """Every pinned folio, by the page frame of its head."""
        self.spans = spans()
        return {f.pfn: f for f in map(self.look, self.candidates()) if f}


# ---- what the kernel tells of a page --------------------------------------------------------

def words(path, pfn, number):
    with open(path, "rb", buffering=0) as f:
        data = os.pread(f.fileno(), 8 * number, 8 * pfn)
    return struct.unpack(f"{len(data) // 8}Q", data)


def word(path, pfn):
    return words(path, pfn, 1)[0]


def assert_extent(pfn, pages):
    """drgn read an order; the kernel must say the same of where the folio ends."""
    head, *after = [w >> KPF_COMPOUND_HEAD & 3 for w in words("/proc/kpageflags", pfn, pages + 1)]
    assert head == (1 if pages > 1 else 0), f"frame {pfn}: no head"
    assert all(kind == 2 for kind in after[:pages - 1]), f"frame {pfn}: too long"
    assert 2 not in after[pages - 1:], f"frame {pfn}: too short"


def spans():
    """Every zone that has memory. None of our guests has zones that overlap."""
    found = []
    with open("/proc/zoneinfo", encoding="ascii") as f:
        for part in re.split(r"(?m)^(?=Node)", f.read()):
            node = re.match(r"Node (\d+), zone +(\w+)", part)
            start = re.search(r"(?m)^ +start_pfn: +(\d+)", part)
            if node and start:
                first = int(start[1])
                spanned = int(re.search(r"(?m)^ +spanned +(\d+)", part)[1])
                found.append(Span(int(node[1]), node[2], range(first, first + spanned)))
    return found


def blocks():
    """The machine's memory blocks: what lies between them is a hole."""
    top = "/sys/devices/system/memory"
    size = int(read(f"{top}/block_size_bytes"), 16) // os.sysconf("SC_PAGESIZE")
    numbers = sorted(int(n[6:]) for n in os.listdir(top) if re.fullmatch(r"memory\d+", n))
    return [Block(f"{top}/memory{n}", read(f"{top}/memory{n}/state"),
                  range(n * size, (n + 1) * size)) for n in numbers]
