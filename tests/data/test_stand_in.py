from __future__ import annotations

from jaxdl.data.stand_in import banner


def test_a_banner_names_what_was_asked_for_and_does_not_wrap_paths():
    path = "/a" * 80
    lines = banner("flowers", ["shapes", "much smaller"], [f"{path} is not there"], ["look for it " * 12]).splitlines()
    assert lines[0] == lines[2] == lines[-1] == "#" * 100
    assert lines[1].strip() == "STAND-IN DATA: no figure of this run is about flowers"
    assert lines[3:6] == ["#  requested flowers", "#  used      shapes", "#            much smaller"]
    assert f"#  why       {path}" in lines
    assert all(len(line) <= 100 for line in lines if path not in line)
    assert sum(line.count("look for it") for line in lines) == 12
