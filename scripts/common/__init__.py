# SPDX-License-Identifier: Apache-2.0
"""What the scripts share, also where they are installed:

bad_input       what is wrong with somebody's file
output_file     a file that appears whole or not at all
pickle_machine  pickles, read and not run
"""
