"""The standard plugins of benchbench, found through entry points as any third party's."""
