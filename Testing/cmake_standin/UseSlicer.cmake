include(CMakeParseArguments)

# Scripts and resources keep their folders below the module's.
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(NOT MODULE_NAME)
    message(FATAL_ERROR "NAME is missing")
  endif()
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unknown arguments: ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "${file} is listed but does not exist")
    endif()
    get_filename_component(folder ${file} DIRECTORY)
    install(
      FILES ${file}
      DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder}
      COMPONENT RuntimeLibraries
      )
  endforeach()
  if(MODULE_WITH_GENERIC_TESTS)
    message(STATUS "generic tests of ${MODULE_NAME}")
  endif()
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(TEST "" "SCRIPT" "" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${TEST_SCRIPT})
    message(FATAL_ERROR "${TEST_SCRIPT} is to be tested but does not exist")
  endif()
  message(STATUS "test ${TEST_SCRIPT}")
endfunction()
