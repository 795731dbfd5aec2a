"""Texts that try to be more than text: what people, machines and other systems may send us in any field."""

MARK = "__pwn"
"""Set on `window` by any of them that runs."""

MARKUP = (
    "<script>window.__pwn=1</script>",
    "<SCRIPT SRC=//x.example/a.js></SCRIPT>",
    "<img src=x onerror=window.__pwn=1>",
    "<svg/onload=window.__pwn=1>",
    "<svg><script>window.__pwn=1</script></svg>",
    "<body onload=window.__pwn=1>",
    "<iframe srcdoc='<script>parent.__pwn=1</script>'></iframe>",
    "<a href=javascript:window.__pwn=1>点我</a>",
    "<details open ontoggle=window.__pwn=1>",
    "<input autofocus onfocus=window.__pwn=1>",
    "<video><source onerror=window.__pwn=1></video>",
    "<math><mtext><style><img src=x onerror=window.__pwn=1></style></mtext></math>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//x.example/a.css>",
    "<base href=//x.example/>",
    "<meta http-equiv=refresh content='0;url=//x.example'>",
    "<form action=//x.example><button>提交</button></form>",
    "</textarea><script>window.__pwn=1</script>",
    "</title><script>window.__pwn=1</script>",
    "</script><script>window.__pwn=1</script>",
    "--><script>window.__pwn=1</script>",
    "]]><script>window.__pwn=1</script>",
    '" onmouseover="window.__pwn=1',
    "' onfocus='window.__pwn=1' autofocus='",
    "&lt;script&gt;window.__pwn=1&lt;/script&gt;",
    "&#60;script&#62;window.__pwn=1&#60;/script&#62;",
    "<b>粗体</b><mark>标记</mark>",
    "javascript:window.__pwn=1",
    "data:text/html,<script>window.__pwn=1</script>",
)
TEMPLATES = (
    "{{constructor.constructor('window.__pwn=1')()}}",
    "${window.__pwn=1}",
    "#{7*7}",
    "{% raw %}{{ 7*7 }}",
    "@:common.title",
    "{count} | {name}",
    "%s %n %(x)s {0}",
    "`window.__pwn=1`",
)
FORMULAS = (
    '=HYPERLINK("http://x.example","点我")',
    "=1+1",
    "+86 138",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "|calc",
)
DIRECTIONS = (
    "\u202e123 路灯坏了",
    "\u2066abc\u2069 中文",
    "שלום 你好",
    "مرحبا 12345",
    "a\u200bb\u200dc\ufeffd",
    "e\u0301\u0323\u0308" * 20,
)
LONG = (
    "长" * 180,
    "w" * 180,
    "http://" + "x" * 150 + ".example/",
    "１２３４５" * 30,
)
ODD = (
    "'; DROP TABLE ticket; --",
    "\\' OR 1=1 --",
    "../../../../etc/passwd",
    "\r\nSet-Cookie: a=b",
    "👨‍👩‍👧‍👦🏳️‍🌈 全家都没水",
    "  前后有空格  ",
)
TEXTS: tuple[str, ...] = (*MARKUP, *TEMPLATES, *FORMULAS, *DIRECTIONS, *LONG, *ODD)
"""Sixty of them; none is longer than a short field takes."""
assert len(TEXTS) >= 60
