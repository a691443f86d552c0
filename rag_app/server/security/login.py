"""The page that asks a browser for a token; it loads nothing else."""

from __future__ import annotations

_TEXTS = {
    "en": ("Sign in", "Token", "Enter", "This token is not known."),
    "pt": ("Entrar", "Token", "Entrar", "Este token não é conhecido."),
}


def login_page(languages: str, wrong: bool) -> str:
    """Return the page in the language that a browser prefers.

    Args:
        languages: The header ``Accept-Language``.
        wrong: Whether a token was just refused.
    """
    language = "pt" if languages.strip().lower().startswith("pt") else "en"
    title, label, button, refused = _TEXTS[language]
    problem = f'<p role="alert">{refused}</p>' if wrong else ""
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - rag-app</title>
</head>
<body>
<main>
<h1>{title}</h1>
{problem}
<form method="post" action="/login">
<label>{label} <input type="password" name="token" required autofocus
autocomplete="current-password"></label>
<button>{button}</button>
</form>
</main>
</body>
</html>
"""
