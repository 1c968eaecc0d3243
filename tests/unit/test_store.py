"""Files are whole or absent, equal content is equal bytes, and damage is named."""

import csv
import math
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malaphoric import store
from malaphoric.schema import ROOT
from malaphoric.store import StoreError


def files(folder):
    return sorted(p.name for p in folder.iterdir())


def write_example(path, value=1.5):
    with store.create(
        path, content="example", settings={"b": [1, 2], "a": value}, names=["x", "y"], number=3
    ) as file:
        store.write_array(file, "group/values", np.arange(600.0) * value, units="GeV")
        store.write_array(file, "whole", np.arange(5))
        file.create_dataset(
            "text", data=["a", "zyxw"], dtype=h5py.string_dtype(), track_times=False
        )
        file["whole"].make_scale("whole")


def refusal(path):
    """The message if the file is refused, None if it can be read."""
    try:
        read_example(path)
    except StoreError as error:
        return str(error)
    return None


def read_example(path):
    with store.read(path) as file:
        return (
            file["group/values"][:],
            file["whole"][:],
            file["text"].asstr()[:].tolist(),
            store.parse(file.attrs["settings"]),
            file.attrs["content"],
        )


#: Everything else that jobs write.
WRITERS = {
    "md": "store.write_text(path, 'x' * 2000)",
    "json": "store.write_json(path, ['x' * 2000])",
    "csv": "store.write_csv(path, [{'x': 'x' * 2000}])",
    "pdf": "figures._save(figures._new_figure()[0], path, path)",
    "tar.gz": "archive.export(Recipes(load_configuration("
    "'config/config.yaml'))['export'].settings, [], path)",
}


def ends_with_a_store_error(code, path):
    """The message of the StoreError in which code ends, in a process without any other word."""
    code = "\n".join(f"    {line}" for line in code.splitlines())
    code = f"try:\n{code}\nexcept store.StoreError as error: print(error)"
    command = [sys.executable, "-c", "from malaphoric import store\n" + code, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.removesuffix("\n")


class TestWhole:
    """Atomic writing."""

    def test_success_replaces(self, tmp_path):
        """Truth: the folder's listing and the file's content."""
        path = tmp_path / "new" / "folder" / "a.txt"
        store.write_text(path, "old")
        store.write_text(path, "new é")
        assert path.read_text(encoding="utf-8") == "new é"
        assert files(path.parent) == ["a.txt"]

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("existing", [True, False])
    def test_exception_leaves_the_old_file_and_nothing_else(self, tmp_path, error, existing):
        """Truth: the folder's listing; Ctrl-C counts as an exception."""
        path = tmp_path / "a.txt"
        if existing:
            path.write_text("old")

        def interrupted():
            with store.whole(path) as temporary:
                temporary.write_text("half of the ne")
                raise error

        with pytest.raises(error):
            interrupted()
        assert files(tmp_path) == (["a.txt"] if existing else [])
        assert not existing or path.read_text() == "old"

    def test_exception_while_filling_hdf5(self, tmp_path):
        """Truth: the folder's listing."""
        path = tmp_path / "a.h5"
        write_example(path)
        before = path.read_bytes()

        def interrupted():
            with store.create(path, content="x") as file:
                store.write_array(file, "values", np.ones(1000))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            interrupted()
        assert files(tmp_path) == ["a.h5"]
        assert path.read_bytes() == before

    def test_target_is_absent_until_the_end(self, tmp_path):
        """Truth: the file system inside the block."""
        path = tmp_path / "a.txt"
        with store.whole(path) as temporary:
            temporary.write_text("x")
            assert not path.exists()
            assert temporary.parent == tmp_path  # a rename across file systems is not atomic
        assert path.exists()

    def test_reader_of_the_old_file_is_not_disturbed(self, tmp_path):
        """Truth: a file that was opened before it was replaced."""
        path = tmp_path / "a.txt"
        path.write_text("old")
        with open(path) as reader:
            store.write_text(path, "new and longer")
            assert reader.read() == "old"
        assert path.read_text() == "new and longer"

    @pytest.mark.parametrize("signal", ["os._exit(1)", "os.kill(os.getpid(), 9)"])
    def test_crash_leaves_the_old_file(self, tmp_path, signal):
        """Truth: a process that dies in the middle; the next one writes undisturbed."""
        path = tmp_path / "a.h5"
        write_example(path)
        before = path.read_bytes()
        code = (
            "import os, sys, numpy as np; from malaphoric import store\n"
            "with store.create(sys.argv[1], content='x') as f:\n"
            "    store.write_array(f, 'v', np.ones(10**5)); f.flush(); " + signal
        )
        process = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
        assert process.returncode != 0
        assert path.read_bytes() == before
        assert [name for name in files(tmp_path) if name.endswith(".h5")] == ["a.h5"]
        write_example(path, 2.0)
        assert read_example(path)[3]["a"] == 2.0

    def test_many_writers_of_one_file(self, tmp_path):
        """Truth: whoever is last wins, and nobody sees a mixture."""
        path = tmp_path / "a.txt"
        texts = [str(i) * 50_000 for i in range(8)]
        threads = [threading.Thread(target=store.write_text, args=(path, t)) for t in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert path.read_text() in texts
        assert files(tmp_path) == ["a.txt"]

    def test_permissions_are_those_of_an_ordinary_file(self, tmp_path):
        """Truth: a file that Python's open makes; temporary files are private otherwise."""
        (tmp_path / "plain").write_text("x")
        store.write_text(tmp_path / "ours", "x")
        assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode

    @pytest.mark.parametrize("reserved", ["at once", "by zeros"])
    @pytest.mark.parametrize("size", [0, 10**9], ids=["small", "announced"])
    def test_disk_without_room(self, tmp_path, size, reserved):
        """Truth: a limit on the size of files, noticed before HDF5 has anything to write."""
        path = tmp_path / "a.h5"
        write_example(path)
        before = path.read_bytes()
        code = (
            "import os, resource, sys, numpy as np; from malaphoric import store\n"
            f"if {reserved == 'by zeros'}: del os.posix_fallocate\n"
            f"limit = {size or 10**7} // 2\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
            f"with store.create(sys.argv[1], size={size}, content='x') as f: print('HDF5 began')\n"
        )
        text = f"{path}: cannot be written: File too large"
        assert ends_with_a_store_error(code, path) == text
        assert path.read_bytes() == before
        assert files(tmp_path) == ["a.h5"]

    @pytest.mark.parametrize("kind", sorted(WRITERS))
    def test_other_files_on_a_disk_without_room(self, tmp_path, kind):
        """Truth: a limit on the size of files; one sentence, no half file."""
        path = tmp_path / f"a.{kind}"
        code = (
            "import resource, sys\n"
            "from malaphoric import store\n"
            "from malaphoric.report import figures\n"
            "from malaphoric.workflow import archive\n"
            "from malaphoric.workflow.configuration import load_configuration\n"
            "from malaphoric.workflow.recipes import Recipes\n"
            "path = sys.argv[1]\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n" + WRITERS[kind]
        )
        text = f"{path}: cannot be written: File too large"
        assert ends_with_a_store_error(code, path) == text
        assert files(tmp_path) == []

    def test_room_does_not_show(self, tmp_path, monkeypatch):
        """Truth: the bytes of a file for which no room was announced, and none taken."""
        write_example(tmp_path / "a.h5")
        monkeypatch.setattr(store, "_ROOM", 10**5)
        write_example(tmp_path / "b.h5")
        monkeypatch.delattr(store.os, "posix_fallocate")
        write_example(tmp_path / "c.h5")
        content = [(tmp_path / name).read_bytes() for name in ("a.h5", "b.h5", "c.h5")]
        assert content[0] == content[1] == content[2]
        assert len(content[0]) < 10**5

    def test_place_that_cannot_be_written(self, tmp_path):
        """Truth: a file where a folder should be."""
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match=r"file.a\.h5: cannot be written"):
            write_example(tmp_path / "file" / "a.h5")


class TestBytes:
    """Equal content, equal bytes."""

    def test_equal_content_is_equal_bytes(self, tmp_path):
        """Truth: two files written in different seconds."""
        write_example(tmp_path / "one.h5")
        time.sleep(1.1)
        write_example(tmp_path / "two.h5")
        assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
        assert store.file_digest(tmp_path / "one.h5") == store.file_digest(tmp_path / "two.h5")

    def test_other_content_is_other_bytes(self, tmp_path):
        """Truth: one number changed in its last bit."""
        write_example(tmp_path / "one.h5", 1.5)
        write_example(tmp_path / "two.h5", np.nextafter(1.5, 2))
        assert store.file_digest(tmp_path / "one.h5") != store.file_digest(tmp_path / "two.h5")

    def test_order_of_attributes_does_not_matter(self, tmp_path):
        """Truth: the same attributes given in two orders."""
        for name, attributes in (("one", {"a": 1, "b": {"x": 1, "y": 2}}),
                                 ("two", {"b": {"y": 2, "x": 1}, "a": 1})):  # fmt: skip
            with store.create(tmp_path / name, **attributes):
                pass
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    def test_csv_keeps_every_digit(self, tmp_path):
        """Truth: Python's csv and float."""
        rows = [{"name": "a, b", "x": 0.1 + 0.2}, {"name": 'say "é"', "x": 1e-300}]
        store.write_csv(tmp_path / "a.csv", rows)
        with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
            back = [{"name": r["name"], "x": float(r["x"])} for r in csv.DictReader(file)]
        assert back == rows

    def test_json_is_json(self, tmp_path):
        """Truth: Python's json."""
        data = {"b": 1, "a": [1.5, None, math.nan, {"c": (-math.inf, np.float64("inf"))}]}
        store.write_json(tmp_path / "a.json", data)
        text = (tmp_path / "a.json").read_text()
        assert store.parse(text) == {"b": 1, "a": [1.5, None, None, {"c": [None, None]}]}
        assert not {"NaN", "Infinity"} & set(text.replace("-", " ").split())


class TestDamage:
    """What cannot be trusted is refused with the file's name."""

    def test_round_trip(self, tmp_path):
        """Truth: what was written."""
        write_example(tmp_path / "a.h5")
        values, whole, text, settings_, content = read_example(tmp_path / "a.h5")
        assert np.array_equal(values, np.arange(600.0) * 1.5)
        assert whole.tolist() == [0, 1, 2, 3, 4]
        assert text == ["a", "zyxw"]
        assert settings_ == {"a": 1.5, "b": [1, 2]}
        assert content == "example"

    @pytest.mark.parametrize(
        "content",
        [b"", b"text\n", b"\0" * 5000, b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 5000],
        ids=["empty", "text", "zeros", "signature", "signature and zeros"],
    )
    def test_what_is_no_hdf5_file(self, tmp_path, content):
        """Truth: files that are something else."""
        path = tmp_path / "bad.h5"
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"bad\.h5"):
            read_example(path)

    def test_missing_file_and_folder(self, tmp_path):
        """Truth: no such file; a folder instead of a file."""
        with pytest.raises(StoreError, match=r"none\.h5"):
            read_example(tmp_path / "none.h5")
        (tmp_path / "folder.h5").mkdir()
        with pytest.raises(StoreError, match=r"folder\.h5"):
            read_example(tmp_path / "folder.h5")

    def test_truncated_anywhere(self, tmp_path):
        """Truth: a whole file cut at every 97th byte."""
        write_example(tmp_path / "a.h5")
        content = (tmp_path / "a.h5").read_bytes()
        path = tmp_path / "bad.h5"
        for length in range(0, len(content) - 1, 97):
            path.write_bytes(content[:length])
            with pytest.raises(StoreError, match=r"bad\.h5"):
                read_example(path)

    def test_missing_entries(self, tmp_path):
        """Truth: an HDF5 file of somebody else."""
        path = tmp_path / "foreign.h5"
        with h5py.File(path, "w") as file:
            file["other"] = 1
        with pytest.raises(StoreError, match=r"foreign\.h5"):
            read_example(path)

    @pytest.mark.parametrize(
        ("words", "expected"), [("broken", StoreError), ("allocation failed", MemoryError)]
    )
    def test_fault_while_reading(self, tmp_path, words, expected):
        """Truth: what HDF5 raises; the file that is read is named, not one that is written."""
        write_example(tmp_path / "a.h5")
        with (
            pytest.raises(expected, match=r"/a\.h5"),
            store.create(tmp_path / "b.h5"),
            store.read(tmp_path / "a.h5"),
        ):
            raise OSError(words)

    def test_any_changed_byte_is_refused(self, tmp_path):
        """Truth: sectors of zeros and single bits; HDF5 itself may hang on such a file."""
        write_example(tmp_path / "a.h5")
        content = (tmp_path / "a.h5").read_bytes()
        rng = np.random.default_rng(1)
        changed = [
            content[:start] + b"\0" * 256 + content[start + 256 :]
            for start in range(0, len(content) - 256, 256)
        ]
        for position in rng.integers(len(content), size=200):
            bit = bytes([content[position] ^ 1 << int(rng.integers(8))])
            changed.append(content[:position] + bit + content[position + 1 :])
        changed.append(content + b"\0")
        path = tmp_path / "bad.h5"
        for damaged in changed:
            path.write_bytes(damaged)
            message = refusal(path)
            assert damaged == content or (message and "bad.h5" in message)

    @pytest.mark.parametrize("text", [b'{"a":1.5', b"zyxw", b"example"])
    @pytest.mark.parametrize("fill", [b"\0", b"\xff"], ids=["zeros", "ones"])
    def test_damaged_text(self, tmp_path, text, fill):
        """Truth: a text attribute or data set overwritten."""
        write_example(tmp_path / "a.h5")
        content = (tmp_path / "a.h5").read_bytes()
        assert content.count(text) == 1
        path = tmp_path / "bad.h5"
        path.write_bytes(content.replace(text, fill * len(text)))
        assert "bad.h5" in refusal(path)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)  # fmt: skip


class TestDigest:
    """Canonical text and digests."""

    @settings(deadline=None)
    @given(plain)
    def test_canonical_is_reversible(self, data):
        """Truth: the data themselves, types and all."""
        assert repr(store.parse(store.canonical(data))) == repr(
            _sorted(data)
        )  # keys come back in order

    @settings(deadline=None)
    @given(st.dictionaries(st.text(), plain, min_size=2))
    def test_order_of_keys_does_not_matter(self, data):
        """Truth: the same mapping built backwards."""
        assert store.digest(data) == store.digest(dict(reversed(data.items())))

    @settings(deadline=None)
    @given(plain, plain)
    def test_different_data_have_different_digests(self, one, two):
        """Truth: Python's repr of the sorted data tells them apart (1, 1.0 and True differ)."""
        assert (store.digest(one) == store.digest(two)) == (
            repr(_sorted(one)) == repr(_sorted(two))
        )

    def test_parts_are_kept_apart(self):
        """Truth: the same characters, split elsewhere."""
        digests = {
            store.digest("ab", "c"), store.digest("a", "bc"), store.digest("abc"),
            store.digest(["ab", "c"]), store.digest("ab", "c", ""), store.digest(),
        }  # fmt: skip
        assert len(digests) == 6
        assert store.digest(b"ab", b"c") != store.digest(b"a", b"bc")

    def test_arrays(self):
        """Truth: value, shape, and not memory layout."""
        a = np.arange(6.0).reshape(2, 3)
        assert store.digest(a) == store.digest(np.asfortranarray(a)) == store.digest(a.copy())
        other = [a.T, a.reshape(3, 2), a.ravel(), a + 1e-15, -a, a[:1]]
        assert len({store.digest(x) for x in [a, *other]}) == 7

    def test_digest_is_text_of_32_hexadecimal_digits(self, tmp_path):
        """Truth: the documented form; also for files."""
        (tmp_path / "a").write_bytes(b"x")
        for d in (store.digest(1), store.file_digest(tmp_path / "a")):
            assert len(d) == 32
            assert int(d, 16) >= 0

    def test_not_a_number_is_refused(self):
        """Truth: JSON has no NaN; a silent one would compare equal to nothing."""
        for bad in (math.nan, math.inf, {"a": [-math.inf]}):
            with pytest.raises(ValueError, match="JSON"):
                store.digest(bad)


def _sorted(data):
    if isinstance(data, dict):
        return {k: _sorted(data[k]) for k in sorted(data)}
    return [_sorted(x) for x in data] if isinstance(data, list) else data
