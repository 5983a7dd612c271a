"""Collectives are read from the text of a compiled program."""

from __future__ import annotations

from jaxdl.profiling.collectives import collectives

TEXT = """
  %a = s32[] all-reduce(%x), replica_groups={{0,1}}, to_apply=%add, metadata={op_name="jit(f)/reduce_sum" id=1}
  %b = (f32[32]{0}, bf16[10,64]{1,0}, /*index=2*/pred[]) all-reduce(%x, %y, %z), metadata={op_name="jit(f)/dot"}
  ROOT %c = f32[64,32]{1,0} all-gather-start(%p), dimensions={0}
  %d = f32[64,32]{1,0} all-gather-done(%c)
  %all-reduce.3 = f32[64,32]{1,0} add(%d, %d), metadata={op_name="all-reduce"}
"""


def test_each_operation_is_counted_once_with_the_size_of_its_result() -> None:
    assert collectives(TEXT) == [
        ("all-reduce", 4, "jit(f)/reduce_sum"),
        ("all-reduce", 32 * 4 + 10 * 64 * 2 + 1, "jit(f)/dot"),
        ("all-gather", 64 * 32 * 4, ""),
    ]
