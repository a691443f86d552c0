"""The kinds of files by their names alone."""

from __future__ import annotations

_KINDS = {
    "text": "txt text log ini cfg conf config properties toml env tex ltx bib adoc asciidoc org "
    "textile wiki mediawiki creole nfo diff patch ics vcf po pot list lst asc",
    "markdown": "md markdown mdown mkd mdx",
    "rst": "rst rest",
    "html": "html htm xhtml xht shtml",
    "pdf": "pdf",
    "docx": "docx docm dotx dotm",
    "pptx": "pptx pptm ppsx ppsm potx potm",
    "xlsx": "xlsx xlsm xltx xltm",
    "xlsb": "xlsb",
    "xls": "xls xlt",
    "doc": "doc dot",
    "ppt": "ppt pps pot",
    "rtf": "rtf",
    "odt": "odt ott",
    "odp": "odp otp",
    "ods": "ods ots",
    "epub": "epub",
    "csv": "csv psv",
    "tsv": "tsv tab",
    "json": "json json5 jsonc geojson webmanifest har",
    "jsonl": "jsonl ndjson",
    "yaml": "yaml yml",
    "xml": "xml xsd xsl xslt svg kml gpx rss atom rdf owl opml plist xlf xliff tmx tei fodt fods "
    "fodp resx wsdl srx",
    "ipynb": "ipynb",
    "srt": "srt",
    "vtt": "vtt",
    "eml": "eml mht mhtml",
    "mbox": "mbox mbx",
    "msg": "msg",
    "zip": "zip jar war ear apk whl egg xpi nupkg cbz",
    "tar": "tar tgz tbz tbz2 txz gz bz2 xz",
    "image": "png jpg jpeg jpe jfif tif tiff bmp dib gif webp",
    "code": "py pyi pyx pyw rb rs go java kt kts scala groovy gradle c h cc cpp cxx hpp hh hxx "
    "ino m mm cs fs fsx vb vba bas cls swift dart js mjs cjs jsx ts mts cts tsx vue svelte php "
    "phtml asp aspx jsp erb ejs jinja j2 tmpl pl pm t lua r rmd jl hs lhs ml mli elm ex exs erl "
    "hrl clj cljs cljc edn lisp el scm rkt sql psql ddl sh bash zsh fish ksh csh bat cmd ps1 psm1 "
    "awk sed tcl vim asm s nasm f f90 f95 f03 for pas pp dpr ada adb ads cob cbl cpy v sv vhd "
    "vhdl zig nim cr d sol proto thrift graphql gql tf tfvars hcl nix cmake mk mak make ninja "
    "bazel bzl dockerfile css scss sass less styl coffee matlab sas do ado gd shader glsl hlsl "
    "vert frag cu cuh wat",
}
_SUFFIXES = {f".{suffix}": kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_NAMES = dict.fromkeys(
    "makefile gnumakefile dockerfile containerfile jenkinsfile vagrantfile rakefile gemfile "
    "procfile brewfile justfile podfile cmakelists.txt".split(),
    "code",
)


def kind_of_name(source: str) -> str:
    """Return the kind of a file by its name alone, such as ``pdf``; ``other`` if it tells none."""
    name = source.rpartition("/")[2].lower()
    return _NAMES.get(name) or _SUFFIXES.get(suffix(name), "other")


def suffix(source: str) -> str:
    """Return the end of the name from the last dot, in lower case; empty without one."""
    dot = source.rfind(".")
    return source[dot:].lower() if dot > 0 and source[dot - 1] != "/" else ""
