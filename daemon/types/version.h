#pragma once

/* The version of the Go program whose interface this is: what clients compare, and what `version` says. */

#define VERSION_API "1.1.6"
