# SPDX-License-Identifier: Apache-2.0
# onestep_library(NAME SOURCES a.cpp … LINKS onestep::below LibTorch::cpu …)
#   the static library onestep_NAME, alias onestep::NAME, of one folder below lib/.
function(onestep_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(onestep_${name} STATIC ${ARG_SOURCES})
  add_library(onestep::${name} ALIAS onestep_${name})
  target_include_directories(onestep_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR})
  target_link_libraries(onestep_${name} PUBLIC ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

# onestep_test(NAME [DEVICES] SOURCES … LINKS …): one executable and one CTest entry for a folder of tests, because
# starting LibTorch costs half a second a process. Paths in tests are relative to the repository's root, where
# tests/main.cpp goes: ONESTEP_GOLDEN is the folder of reference files, ONESTEP_BIN that of the commands.
# DEVICES: it has tests that run on devices, the pretended one among them (tests/on_devices.h).
function(onestep_test name)
  cmake_parse_arguments(ARG "DEVICES" "" "SOURCES;LINKS" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  if(ARG_DEVICES)
    target_link_libraries(test_${name} PRIVATE onestep_pretend_device)
    set_target_properties(test_${name} PROPERTIES ENABLE_EXPORTS ON)
  endif()
  target_link_libraries(test_${name} PRIVATE ${ARG_LINKS} onestep_test_main Catch2::Catch2)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  file(RELATIVE_PATH bin ${PROJECT_SOURCE_DIR} ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
  target_compile_definitions(test_${name} PRIVATE
    ONESTEP_GOLDEN="tests/golden" ONESTEP_SOURCE="." ONESTEP_BIN="${bin}")
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "OMP_NUM_THREADS=1")
endfunction()

# onestep_app(NAME SOURCES … LINKS …): one of the three commands, installed.
function(onestep_app name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} CLI11::CLI11)
  install(TARGETS ${name} RUNTIME)
endfunction()
