# SPDX-License-Identifier: MIT
# liblongwire from the layers that stand behind include/longwire: shared, static, pkg-config file, install rules.
set(library_layers base loop wire tls device capture flow switch network provider tunnel)

set(objects)
set(libraries)
foreach(layer ${library_layers})
	if(TARGET lw_${layer}_objects)
		list(APPEND objects $<TARGET_OBJECTS:lw_${layer}_objects>)
		get_target_property(linked lw_${layer}_objects LINK_LIBRARIES)
		list(APPEND libraries ${linked})
	endif()
endforeach()
list(REMOVE_DUPLICATES libraries)

if(NOT objects)
	return()
endif()

add_library(longwire_shared SHARED ${objects})
target_link_libraries(longwire_shared PRIVATE ${libraries})
set_target_properties(longwire_shared PROPERTIES OUTPUT_NAME longwire LINKER_LANGUAGE C
	VERSION ${PROJECT_VERSION} SOVERSION 0)

# The static library is one object whose hidden names were made local, so that its users see lw_* only, as of the
# shared one, and may have names like list_add of their own.
set(whole ${CMAKE_CURRENT_BINARY_DIR}/liblongwire.o)
add_custom_command(OUTPUT ${whole}
	COMMAND ${CMAKE_LINKER} -r -o ${whole} ${objects}
	COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${whole}
	DEPENDS ${objects}
	COMMAND_EXPAND_LISTS VERBATIM)
set_source_files_properties(${whole} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_library(longwire_static STATIC ${whole})
target_link_libraries(longwire_static PRIVATE ${libraries})
set_target_properties(longwire_static PROPERTIES OUTPUT_NAME longwire LINKER_LANGUAGE C)

# Found from where the file lies, so that `cmake --install --prefix` may put it anywhere.
file(RELATIVE_PATH LW_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" LW_PC_UP "${LW_PC_UP}")
set(LW_PC_PREFIX "\${pcfiledir}/${LW_PC_UP}")
set(LW_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
set(LW_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
# By name, not as Requires.private: that would ask users of the static library for what libpcap was built with.
set(LW_PC_LIBRARIES "-ljansson -lpcap -lmnl -lnftables -lmbedtls -lmbedx509 -lmbedcrypto -lpthread -lm")
if(LW_HAVE_IPSEC_MB)
	string(APPEND LW_PC_LIBRARIES " -lIPSec_MB")
endif()
if(SYSTEMD_FOUND)
	string(APPEND LW_PC_LIBRARIES " -lsystemd")
endif()
configure_file(longwire.pc.in ${PROJECT_BINARY_DIR}/longwire.pc @ONLY)

install(TARGETS longwire_shared longwire_static
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/longwire DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
	FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/longwire.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
