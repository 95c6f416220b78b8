"""Small PDF files, written by hand and by pypdf."""

from __future__ import annotations

from pathlib import Path

from pypdf import PdfWriter


def write_pdf(path: Path, *pages: str) -> Path:
    """A PDF with these words on its pages, in a font that every reader has."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        font,
    ]
    for number, words in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R"
            b" >> >> /Contents %d 0 R >>" % (5 + 2 * number)
        )
        drawn = f"BT /F1 12 Tf 50 700 Td ({words}) Tj ET".encode() if words else b"0 0 9 9 re f"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
    body, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        start,
    )
    path.write_bytes(body)
    return path


def write_encrypted(path: Path, source: Path) -> Path:
    """``source`` with a password that it takes to open it."""
    writer = PdfWriter(clone_from=source)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(path)
    return path


def write_aes(path: Path, source: Path) -> Path:
    """``source`` as one that opens without a password, and is encrypted with AES all the same. Only
    as far as a reader without AES gets: nothing in it is."""
    scheme = b"/CF << /StdCF << /CFM /AESV3 /Length 32 >> >> /StmF /StdCF /StrF /StdCF"
    long, short = b"00" * 48, b"00" * 32
    keys = b"/O <%s> /U <%s> /OE <%s> /UE <%s> /Perms <%s>" % (long, long, short, short, short[:32])
    how = b"/Filter /Standard /V 5 /R 6 /Length 256 /P -4 " + scheme + b" " + keys
    entry = b"/Root 1 0 R /ID [<00> <00>] /Encrypt << " + how + b" >>"
    path.write_bytes(source.read_bytes().replace(b"/Root 1 0 R", entry))
    return path
