"""The report as one page of HTML, made from its markdown."""
