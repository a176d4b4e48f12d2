# A stand-in for Slicer's package, as far as this extension uses it: it is configured and installed with it in a test.
# Places and macros are named and behave as those of Slicer 5.10's build tree (CMake/SlicerConfig.cmake.in,
# CMake/SlicerMacroBuildScriptedModule.cmake); nothing is compiled and nothing is packaged.

set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/ExtensionGenerateConfig.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/ExtensionCPack.cmake)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR lib/Slicer-5.10/qt-scripted-modules)
