#pragma once

/* The version: of the Go program whose interface this is, and of this implementation. Clients compare
 * VERSION_API. */

#define VERSION_API "1.1.6"
