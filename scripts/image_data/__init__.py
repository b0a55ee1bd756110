# SPDX-License-Identifier: Apache-2.0
"""Images as people have them → a data set zip as EDM's tools and onestep-train read it. One concept a file:

interpreter    the Python that has Pillow and NumPy
files          a folder, a zip or a tar: names and contents
sources        what IN is, and its images in order
labels         classes from dataset.json or from folders
cifar idx npz  the arrays of these
numpy_pickle   pickles of arrays, read and not run
decode         a file → 8-bit grey or RGB pixels, by stated rules
sixteen_bits   16-bit PNG, whose lower bytes Pillow drops
fit            crop and resize
archive        the zip that comes out
in_order       work in threads, results in order
progress       how far, on stderr
report         what was done
command        onestep-data itself

BadInput, output_file and the reader of pickles are in common/.
"""
