"""Documents for the example: real files, so that reviewing them can be tried."""


def example_document(title: str, number: str) -> bytes:
    """Return a one-page PDF (ISO 32000-1) that says what it stands for and that it is an example."""
    lines = (title, number, "Example document: it proves nothing to nobody.")
    text = "".join(
        f"BT /F1 {24 - 6 * min(i, 1)} Tf 72 {720 - 40 * i} Td ({line}) Tj ET\n" for i, line in enumerate(lines)
    )
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            "/Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        f"<< /Length {len(text)} >>\nstream\n{text}endstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    body, places = "%PDF-1.4\n", []
    for number_of, content in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number_of} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    body += f"xref\n0 6\n0000000000 65535 f \n{table}{trailer}"
    return body.encode("latin-1")
