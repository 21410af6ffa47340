import os
from glob import glob

from setuptools import Extension, setup

C = sorted(glob("cpu_node/native/*.c"))
H = sorted(glob("cpu_node/native/*.h"))
FLAGS = ["-O2", "-std=gnu11", "-fno-strict-aliasing", "-Wall", "-frounding-math"]
SANITIZE = os.environ.get("COSIM_SANITIZE", "").split()  # such as -fsanitize=address,undefined: tests/sanitize.py
setup(
    ext_modules=[
        Extension("cpu_node._native", C, depends=H, extra_compile_args=FLAGS + SANITIZE, extra_link_args=SANITIZE)
    ]
)
