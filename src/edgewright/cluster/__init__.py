"""Where independent tasks run: in this process, in local processes or on a Dask cluster; a file each."""
