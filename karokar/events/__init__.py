"""Every fact that one context announces and others react to, by the context that announces it; `publish`, `@handles`,
and in `contracts` what each event promises. Only the producer makes its events; every context may import the classes.
Knows no database.
"""
