# SPDX-License-Identifier: Apache-2.0
"""The parts of onestep-convert, one concept a module; what it shares with others is in common/. Nothing here imports what a
file names or runs what it holds."""
