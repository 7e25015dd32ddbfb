"""The files a release is made of, read and checked before the first call."""

import hashlib
import io
import json
import mimetypes
import struct
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .errors import Refused

# ELF header: the machine at offset 18; 183 is AArch64. Source: ELF for the Arm 64-bit Architecture.
AARCH64 = 183

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def release_name(record):
    """The name of a release: the same pieces under the same plan are the same release."""
    return sha256(json.dumps(record, sort_keys=True).encode())[:16]


@dataclass(frozen=True)
class Piece:
    """A file of a release, named by what it holds."""

    data: bytes
    key: str


def read_code(path):
    """Reads the function's archive: `bootstrap` for arm64 at its root, executable."""
    data = read(path, "--code")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        info = archive.getinfo("bootstrap")
        head = archive.read("bootstrap")[:20]
    except zipfile.BadZipFile:
        raise Refused(f"--code {path} is no zip archive: `make lambda` builds one") from None
    except KeyError:
        raise Refused(f"--code {path} holds no `bootstrap` at its root: `make lambda` builds one") from None
    if not (info.external_attr >> 16) & 0o111:
        raise Refused(f"--code {path}: its `bootstrap` is not executable (mode 0755)")
    check_machine(head, f"--code {path}: its `bootstrap`")
    return Piece(data, f"code/{sha256(data)}.zip")


def check_machine(head, what):
    if head[:4] != b"\x7fELF" or struct.unpack_from("<H", head, 18)[0] != AARCH64:
        raise Refused(f"{what} is no program for Linux on arm64")


@dataclass(frozen=True)
class Image:
    """A container image: its manifest, and the blobs the manifest names."""

    manifest: bytes
    media_type: str
    blobs: dict

    @property
    def digest(self):
        return f"sha256:{sha256(self.manifest)}"


def read_image(path):
    """Reads an OCI archive: one image for linux/arm64, every blob as its digest says."""
    what = f"--image {path}"
    try:
        with tarfile.open(fileobj=io.BytesIO(read(path, "--image"))) as archive:
            files = {
                member.name.removeprefix("./"): archive.extractfile(member).read()
                for member in archive.getmembers()
                if member.isfile()
            }
    except tarfile.TarError:
        raise Refused(f"{what} is no OCI archive: `make image` builds one") from None
    if "index.json" not in files:
        raise Refused(f"{what} holds no index.json: it must be an OCI archive, `make image` builds one")
    manifest, media_type = find_manifest(json.loads(files["index.json"]), files, what)
    parsed = json.loads(manifest)
    named = [parsed["config"], *parsed["layers"]]
    blobs = {entry["digest"]: blob(files, entry["digest"], what) for entry in named}
    config = json.loads(blobs[parsed["config"]["digest"]])
    if (config.get("os"), config.get("architecture")) != ("linux", "arm64"):
        raise Refused(f"{what} is for {config.get('os')}/{config.get('architecture')}: AgentCore runs linux/arm64")
    return Image(manifest, media_type, blobs)


def find_manifest(index, files, what):
    """The one manifest of the archive, or the one for arm64 among several."""
    entries = index.get("manifests", [])
    if len(entries) > 1:
        entries = [entry for entry in entries if entry.get("platform", {}).get("architecture") == "arm64"]
    if len(entries) != 1:
        raise Refused(f"{what} holds {len(entries)} images for arm64: expected one")
    data = blob(files, entries[0]["digest"], what)
    parsed = json.loads(data)
    if "manifests" in parsed:
        return find_manifest(parsed, files, what)
    media_type = parsed.get("mediaType", entries[0].get("mediaType", MANIFESTS[0]))
    if media_type not in MANIFESTS:
        raise Refused(f"{what} has a manifest of the type {media_type}: expected {MANIFESTS[0]}")
    return data, media_type


def blob(files, digest, what):
    data = files.get("blobs/" + digest.replace(":", "/"))
    if data is None:
        raise Refused(f"{what} does not hold {digest}, which it names: build it again")
    if f"sha256:{sha256(data)}" != digest:
        raise Refused(f"{what}: what it holds as {digest} is something else: build it again")
    return data


def read_page(folder):
    """Packs the built page, the same bytes for the same files. Its config.json is the release's."""
    folder = Path(folder)
    if not (folder / "index.html").is_file():
        raise Refused(f"--page {folder} holds no index.html: `make page` builds the page")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name != "config.json":
                # The oldest time a zip can hold: the archive must not change with the checkout.
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), path.read_bytes())
    data = packed.getvalue()
    return Piece(data, f"page/{sha256(data)}.zip")


def files_of_page(packed, config):
    """The page's files with its config.json, as (name, bytes, type, caching); what starts it is last."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = config
    for name in sorted(files, key=lambda name: (name == "index.html", name == "config.json", name)):
        kept = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        yield name, files[name], media_type(name), kept


def zip_of_page(packed, config):
    """The page with its config.json as one archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, _, _ in files_of_page(packed, config):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def media_type(name):
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if guessed.startswith("text/") or guessed in ("application/javascript", "application/json"):
        return f"{guessed}; charset=utf-8"
    return guessed


def read(path, flag):
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"{flag} {path} cannot be read: {error.strerror}") from None
